// Package dump is the `db dump` command.
package dump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/scratch"
)

// The formats of a dump.
const (
	formatRows = "rows"
	formatSQL  = "sql"
)

type options struct {
	*cli.Session
	open   local.Opener
	file   string
	format string
}

// report is what `db dump -o json` prints.
type report struct {
	File   string `json:"file"`
	Format string `json:"format"`
	Head   string `json:"head,omitempty"`
	Tables int    `json:"tables,omitempty"`
	Rows   int64  `json:"rows,omitempty"`
	Bytes  int64  `json:"bytes"`
}

// New returns the `db dump` command.
func New(s *cli.Session, open local.Opener) *cobra.Command {
	o := &options{Session: s, open: open}
	cmd := &cobra.Command{
		Use:   "dump [FILE]",
		Short: "Write the rows of the database to a file",
		Long: "Write the rows of the database to a file.\n\n" +
			"The file (default NAME.dump) holds the rows of every table at one moment and names the last migration, for\n" +
			"`plattr db restore`. --format sql writes an SQL script with pg_dump instead, tables and all. The file is 0600.",
		Example: "  plattr db dump\n  plattr db dump shop.sql --format sql",
		Args:    cli.Args(0, 1, "one FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.file = args[0]
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.format, "format", formatRows, "rows, or sql (needs pg_dump)")
	return cmd
}

func (o *options) run(ctx context.Context) error {
	if o.format != formatRows && o.format != formatSQL {
		return cli.Usagef("--format: %q is neither rows nor sql", o.format)
	}
	app, err := o.open(ctx, "plattr db dump")
	if err != nil {
		return err
	}
	if o.file == "" {
		o.file = app.Config.Name + map[string]string{formatRows: ".dump", formatSQL: ".sql"}[o.format]
	}
	r := report{File: o.file, Format: o.format}
	err = app.Run(ctx, o.Session, "Dump", func(ctx context.Context, db *localdev.Database, out localdev.Output) (string, error) {
		var err error
		r.Bytes, err = replace(o.file, func(w io.Writer) error {
			if o.format == formatSQL {
				return script(ctx, db, w)
			}
			return o.rows(ctx, db, out, w, &r)
		})
		return cli.Size(r.Bytes), err
	})
	if err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	return o.Print(r, func(w io.Writer) {
		text := o.file + ": " + cli.Size(r.Bytes)
		if r.Format == formatRows {
			text += ", " + cli.Count(int(r.Rows), "row") + " of " + cli.Count(r.Tables, "table")
		}
		fmt.Fprintln(w, text)
	})
}

func (o *options) rows(ctx context.Context, db *localdev.Database, out localdev.Output, w io.Writer, r *report) error {
	ran, err := local.Ran(ctx, db, out)
	if err != nil {
		return err
	}
	manifest, err := scratch.Dump(ctx, db.DatabaseURL, db.Schema, ran, w)
	r.Head, r.Tables, r.Rows = manifest.Head(), len(manifest.Tables), manifest.Rows()
	return err
}

func script(ctx context.Context, db *localdev.Database, w io.Writer) error {
	major, err := scratch.ServerMajor(ctx, db.DatabaseURL)
	if err != nil {
		return err
	}
	program, err := scratch.FindPgDump(ctx, os.Getenv("PLATTR_PG_DUMP"), major)
	if err != nil {
		return err
	}
	return scratch.DumpSQL(ctx, program, db.DatabaseURL, []string{db.Schema, db.MigrationsSchema}, w)
}

// replace writes a file, 0600, whole or not at all, and returns its size.
func replace(path string, write func(io.Writer) error) (int64, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", path, errors.Unwrap(err)) // its own message names a file that nobody asked for
	}
	err = write(f)
	size, seekErr := f.Seek(0, io.SeekEnd)
	err = errors.Join(err, seekErr, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(f.Name()))
	}
	return size, nil
}
