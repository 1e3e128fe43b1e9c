package scratch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// NoPgDumpError says that no pg_dump of the server's version or a later one is on this machine.
type NoPgDumpError struct {
	// Server is the server's major version.
	Server int
	// Found are the programs that were found, with their versions.
	Found []string
}

// Error says what was looked for and how to get on.
func (e *NoPgDumpError) Error() string {
	text := fmt.Sprintf("no pg_dump of version %d or later", e.Server)
	if len(e.Found) > 0 {
		text += " (found " + strings.Join(e.Found, ", ") + ")"
	}
	return text + ": install it, name it in PLATTR_PG_DUMP, or dump without --format sql, which needs none"
}

var pgDumpVersion = regexp.MustCompile(`\(PostgreSQL\) ([0-9]+)`)

// FindPgDump looks for a pg_dump that reads a server of a major version: setting (PLATTR_PG_DUMP) alone if it is given,
// else PATH and where packages put it.
func FindPgDump(ctx context.Context, setting string, server int) (string, error) {
	candidates := []string{setting}
	if setting == "" {
		candidates = pgDumpPlaces()
	}
	missing := &NoPgDumpError{Server: server}
	for _, path := range candidates {
		out, err := exec.CommandContext(ctx, path, "--version").Output() //nolint:gosec // a program of the machine, or the user's choice
		if err != nil {
			continue
		}
		m := pgDumpVersion.FindSubmatch(out)
		if m == nil {
			continue
		}
		if major, err := strconv.Atoi(string(m[1])); err == nil && major >= server {
			return path, nil
		}
		missing.Found = append(missing.Found, path+" "+string(m[1]))
	}
	return "", missing
}

func pgDumpPlaces() []string {
	var all []string
	if path, err := exec.LookPath("pg_dump"); err == nil {
		all = append(all, path)
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin/pg_dump", "/usr/pgsql-*/bin/pg_dump",
		"/opt/homebrew/opt/postgresql@*/bin/pg_dump", "/usr/local/opt/postgresql@*/bin/pg_dump",
	} {
		found, _ := filepath.Glob(pattern) // the patterns are right
		slices.Reverse(found)              // the newest first
		all = append(all, found...)
	}
	return all
}

// ServerMajor asks a server for its major version.
func ServerMajor(ctx context.Context, url string) (int, error) {
	conn, err := connect(ctx, url, "")
	if err != nil {
		return 0, err
	}
	defer libpq.Close(conn)
	var number int
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int / 10000").Scan(&number); err != nil {
		return 0, fmt.Errorf("ask for the server's version: %w", err)
	}
	return number, nil
}

// DumpSQL writes schemas as an SQL script by a pg_dump that FindPgDump found. The password goes by the child's
// environment alone.
func DumpSQL(ctx context.Context, program, databaseURL string, schemas []string, w io.Writer) error {
	env, err := libpq.Environment(databaseURL)
	if err != nil {
		return err
	}
	args := []string{"--no-password", "--format=plain"}
	for _, schema := range schemas {
		args = append(args, "--schema="+quote(schema))
	}
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // found by FindPgDump
	var message bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &message
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && message.Len() > 0 {
			return fmt.Errorf("pg_dump: %s", strings.TrimSpace(message.String()))
		}
		return fmt.Errorf("pg_dump: %w", err)
	}
	return nil
}
