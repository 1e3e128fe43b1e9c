// Package processes runs those processes of the laptop that are plattr's own: the supervisor and the S3 server. The
// program is started anew with their name as its first argument; so is a test binary that starts services.
package processes

import (
	"context"
	"fmt"
	"os"

	"plattr.dev/plattr/localdev/s3server"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/supervisor"
)

// Asked says whether the arguments, without the program's name, ask for one of the processes.
func Asked(args []string) bool {
	return len(args) > 0 && (args[0] == supervisor.Command || args[0] == services.ServeS3)
}

// Run runs the process that the arguments, without the program's name, ask for. It says false when they ask for none.
func Run(ctx context.Context, args []string) (asked bool, err error) {
	switch {
	case !Asked(args):
		return false, nil
	case args[0] == supervisor.Command:
		return true, supervisor.Main(ctx, args[1:])
	default:
		return true, s3server.Main(ctx, args[1:])
	}
}

// Main runs the process that the arguments of this one ask for, and returns its exit code; if they ask for none, it does
// what else the program is for. Test binaries that start services are that way their own supervisor and S3 server.
func Main(otherwise func() int) int {
	asked, err := Run(context.Background(), os.Args[1:])
	switch {
	case !asked:
		return otherwise()
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	default:
		return 0
	}
}
