package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	"plattr.dev/plattr/localdev/processes"
)

// TestMain lets the test binary be the supervisor and the S3 server too: a test that asks the servers may be the first
// one to come after the supervisor was killed.
func TestMain(m *testing.M) {
	if asked, err := processes.Run(context.Background(), os.Args[1:]); asked {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
