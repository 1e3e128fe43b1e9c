package migrate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"plattr.dev/plattr/internal/migrate/sqltext"
)

// failure places goose's error in its file.
func (g *gooseRunner) failure(files []gooseFile, partial *goose.PartialError, failed *failedQuery) error {
	var ours *StatementError
	if errors.As(partial.Err, &ours) {
		return ours
	}
	at := slices.IndexFunc(files, func(f gooseFile) bool { return f.version == partial.Failed.Source.Version })
	f := files[at].file
	text := failed.text()
	offset := strings.Index(f.script, text)
	if text == "" || offset < 0 {
		return &StatementError{File: f.shown, RolledBack: true, ShowDetail: true, Err: partial.Err}
	}
	line, column := sqltext.Position(f.script, offset)
	number, of := 1, 1
	if up, _ := upSection(f.script); up != "" {
		if all, err := sqltext.Split(up); err == nil {
			of = len(all)
			number = max(1, len(slices.DeleteFunc(all, func(s sqltext.Statement) bool { return s.Offset > offset })))
		}
	}
	f.statements = make([]sqltext.Statement, of)
	f.statements[number-1] = sqltext.Statement{Text: text, Offset: offset, Line: line, Column: column}
	placed := statementError(f, number-1, partial.Err)
	placed.RolledBack = true
	return placed
}

// failedQuery remembers the text of the last statement that failed: goose's error does not say which one it was.
type failedQuery struct {
	mu      sync.Mutex
	last    string
	current string
}

// TraceQueryStart implements pgx.QueryTracer.
func (f *failedQuery) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current = data.SQL
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (f *failedQuery) TraceQueryEnd(_ context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if data.Err != nil {
		f.last = f.current
	}
}

func (f *failedQuery) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}
