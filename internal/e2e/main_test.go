package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	"plattr.dev/plattr/localdev/s3server"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/supervisor"
)

// TestMain lets the test binary be the supervisor and the S3 server too: a test that asks the servers may be the first
// one to come after the supervisor was killed.
func TestMain(m *testing.M) {
	commands := map[string]func(context.Context, []string) error{
		supervisor.Command: supervisor.Main, services.ServeS3: s3server.Main,
	}
	if len(os.Args) > 1 {
		if run, ok := commands[os.Args[1]]; ok {
			if err := run(context.Background(), os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}
