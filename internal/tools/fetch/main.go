// Command fetch prints, for each named program, the folder that holds its executables: those that plattr downloads, never
// those of this machine, so that they can be put into an image.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"plattr.dev/plattr/localdev/programs"
)

func main() {
	if err := fetch(context.Background(), os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func fetch(ctx context.Context, names []string) error {
	table := programs.Table()
	for i := range table {
		table[i].OwnOnly = true
	}
	for _, name := range names {
		program, err := programs.Find(ctx, name, programs.WithTable(table))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(os.Stdout, program.Dir); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}
