// Command s3gateway is the local S3 endpoint as a process of its own, for tests. It ends with its standard input and
// takes its data with it, so a test binary that dies leaves nothing behind.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"plattr.dev/plattr/localdev/s3server"
)

func main() {
	if err := run(os.Args[1:], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

// run serves the configuration file that is the first argument until in ends; then it removes the folders that are
// the others.
func run(args []string, in io.Reader) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	err := s3server.Main(ctx, args[:min(1, len(args))])
	if ctx.Err() != nil {
		err = nil
	}
	for _, dir := range args[min(1, len(args)):] {
		if removeErr := os.RemoveAll(dir); removeErr != nil && err == nil {
			err = removeErr
		}
	}
	return err
}
