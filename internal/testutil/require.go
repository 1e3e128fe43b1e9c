// Package testutil starts real servers for tests and holds what tests of several packages share.
package testutil

import (
	"os"
	"testing"
)

// Require ends a test that cannot run on this machine: it skips with the reason, so that `go test ./...` works on any
// laptop, and fails under PLATTR_TEST_REQUIRE=1, so that `make test` never skips anything silently.
func Require(t testing.TB, ok bool, reason string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("PLATTR_TEST_REQUIRE") == "1" {
		t.Fatalf("this machine must run every test, but: %s", reason)
	}
	t.Skip(reason)
}
