package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// Seeded is one seed file that ran.
type Seeded struct {
	Name         string `json:"name"`
	Rows         int64  `json:"rows"`
	Statements   int    `json:"statements"`
	Milliseconds int64  `json:"milliseconds"`
}

// SeedResult is what one Seed did.
type SeedResult struct {
	Files []Seeded `json:"files"`
	Rows  int64    `json:"rows"`
}

// Seed runs the SQL files of o.Path, a directory or one file, in the order of their names, each in a transaction of its
// own. Seeds run whenever they are asked for and are not recorded: a seed that may run on data that is there says so
// itself (INSERT ... ON CONFLICT DO NOTHING). No such path is no error: the result is empty.
func Seed(ctx context.Context, o Options) (SeedResult, error) {
	o = o.withDefaults()
	result := SeedResult{Files: []Seeded{}}
	files, err := seedFiles(o)
	if err != nil {
		return result, err
	}
	if len(files) == 0 {
		o.Progress("no seeds in " + shownPath(o.Root, o.directory()))
		return result, nil
	}
	conn, err := o.connect(ctx)
	if err != nil {
		return result, err
	}
	defer libpq.Close(conn)
	if err := o.lock(ctx, conn); err != nil {
		return result, err
	}
	for _, f := range files {
		o.Progress("seed " + f.name)
		seeded, err := seedFile(ctx, ledger{conn: conn}, f)
		if err != nil {
			return result, err
		}
		result.Files = append(result.Files, seeded)
		result.Rows += seeded.Rows
	}
	return result, nil
}

func seedFiles(o Options) ([]file, error) {
	info, err := os.Stat(o.directory())
	if errors.Is(err, fs.ErrNotExist) || o.Path == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the seeds: %w", err)
	}
	var files []file
	if info.IsDir() {
		files, err = load(o.Root, o.directory())
	} else {
		var f file
		f, err = loadFile(o.Root, o.directory())
		files = []file{f}
		if ext := filepath.Ext(f.name); err == nil && ext != ".sql" {
			err = fmt.Errorf("%s: seeds are .sql files", f.shown)
		}
	}
	if err != nil {
		return nil, err
	}
	for i := range files {
		if err := files[i].parse(); err != nil {
			return nil, err
		}
		if files[i].stepwise {
			return nil, fmt.Errorf("%s: %s: a seed runs in a transaction: make it a migration", files[i].shown, files[i].stepReason)
		}
	}
	return files, nil
}

func seedFile(ctx context.Context, book ledger, f file) (Seeded, error) {
	begun := time.Now()
	seeded := Seeded{Name: f.name, Statements: len(f.statements)}
	tx, err := book.conn.Begin(ctx)
	if err != nil {
		return seeded, fmt.Errorf("%s: %w", f.shown, err)
	}
	defer rollback(tx)
	for i, s := range f.statements {
		rows, err := run(ctx, book.conn, s)
		if err != nil {
			failed := statementError(f, i, err)
			failed.RolledBack, failed.ShowDetail = true, false // the detail would show rows
			return seeded, failed
		}
		seeded.Rows += rows
	}
	if err := tx.Commit(ctx); err != nil {
		return seeded, &StatementError{File: f.shown, Of: len(f.statements), RolledBack: true, Err: err}
	}
	seeded.Milliseconds = time.Since(begun).Milliseconds()
	return seeded, resetSession(ctx, book.conn)
}
