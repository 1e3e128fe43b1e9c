// Package restore is the `db restore` command.
package restore

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/scratch"
)

// report is what `db restore -o json` prints.
type report struct {
	File   string `json:"file"`
	Head   string `json:"head"`
	Tables int    `json:"tables"`
	Rows   int64  `json:"rows"`
}

// New returns the `db restore` command.
func New(s *cli.Session, open local.Opener) *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Replace the rows of the database by those of a dump",
		Long: "Replace the rows of the database by those of a dump.\n\n" +
			"FILE is what `plattr db dump` wrote. It happens in one transaction: all of it or nothing. The database must have run\n" +
			"the migrations that the dump names, no more and no less. It asks first; scripts pass --yes.",
		Example: "  plattr db restore shop.dump --yes",
		Args:    cli.Args(1, 1, "one FILE that db dump wrote"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), s, open, args[0])
		},
	}
}

func run(ctx context.Context, s *cli.Session, open local.Opener, path string) error {
	config, _, err := local.Load(s)
	if err != nil {
		return err
	}
	file, size, err := openDump(path)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer func() { _ = file.Close() }()
	manifest, err := scratch.ReadManifest(file, size)
	if err != nil {
		return fmt.Errorf("restore %s: %w", path, err)
	}
	what := fmt.Sprintf("replace all rows of %s on this machine by the %s of %s", config.Name, cli.Count(int(manifest.Rows()), "row"), path)
	if err := s.Confirm(ctx, what); err != nil {
		return err
	}
	app, err := open(ctx, "plattr db restore")
	if err != nil {
		return err
	}
	err = app.Run(ctx, s, "Restore", func(ctx context.Context, db *localdev.Database, out localdev.Output) (string, error) {
		ran, err := local.Ran(ctx, db, out)
		if err != nil {
			return "", err
		}
		manifest, err = scratch.Restore(ctx, db.DatabaseURL, db.Schema, ran, file, size)
		return cli.Count(int(manifest.Rows()), "row"), err
	})
	if err != nil {
		return fmt.Errorf("restore %s: %w", path, err)
	}
	r := report{File: path, Head: manifest.Head(), Tables: len(manifest.Tables), Rows: manifest.Rows()}
	return s.Print(r, func(w io.Writer) {
		fmt.Fprintf(w, "%s of %s are back\n", cli.Count(int(r.Rows), "row"), cli.Count(r.Tables, "table"))
	})
}

func openDump(path string) (*os.File, int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", path)
	}
	if err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}
