package e2e

import (
	"os"
	"testing"

	"plattr.dev/plattr/localdev/processes"
)

// TestMain lets the test binary be the supervisor and the S3 server too: a test that asks the servers may be the first
// one to come after the supervisor was killed.
func TestMain(m *testing.M) { os.Exit(processes.Main(m.Run)) }
