package services

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/process"
	"plattr.dev/plattr/localdev/state"
)

// AdminRole makes the applications' databases and roles. It is no superuser, as on Aurora: what works here works there.
const AdminRole = "plattr_admin"

// superuser only bootstraps; it can be reached through the socket alone, in a folder that nobody else may enter.
const superuser = "postgres"

// initTimeout bounds initdb, on a slow disk too.
const initTimeout = 3 * time.Minute

// settings of the server. Nothing here trades safety for speed: fsync stays on, because a machine that loses power must
// not corrupt the data, and so does synchronous_commit, because a server that is killed must not forget what the engine
// has noted as done. Memory is for a laptop on which much else runs.
func settings() []string {
	return append([]string{"listen_addresses=" + ports.Host, "unix_socket_permissions=0700"}, PostgreSQLSettings()...)
}

// PostgreSQLSettings are those of a server wherever it listens.
func PostgreSQLSettings() []string {
	return []string{
		"max_connections=200",
		"shared_buffers=32MB",
		"work_mem=4MB",
		"maintenance_work_mem=32MB",
		"max_worker_processes=4",
		"max_parallel_workers=2",
		"autovacuum_max_workers=2",
		"max_wal_senders=0",
		"wal_level=minimal",
		"min_wal_size=32MB",
		"max_wal_size=256MB",
		"wal_buffers=1MB",
		"checkpoint_timeout=15min",
		"fsync=on",
		"full_page_writes=on",
		"synchronous_commit=on",
		"jit=off",
		"password_encryption=scram-sha-256",
		"logging_collector=off",
		"log_destination=stderr",
		"log_line_prefix=%m [%p] %u@%d ",
		// Statements and details may hold passwords and people's data: neither gets into the log.
		"log_error_verbosity=terse",
		"log_min_error_statement=panic",
		"log_statement=none",
	}
}

// hba lets the superuser in through the socket only, and everyone else with a password only.
const hba = `# Written by plattr at every start.
local all postgres trust
local all all scram-sha-256
host all postgres 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
`

// AdminURL is how AdminRole reaches the server, over TCP.
func AdminURL(s Spec, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(AdminRole, password), Host: s.Address(ports.PostgreSQL),
		Path: "/postgres", RawQuery: "sslmode=disable",
	}
	return u.String()
}

// BootstrapURL is how the superuser reaches the server, through its socket.
func BootstrapURL(d state.Dir, s Spec) string {
	q := url.Values{"host": {d.Run}, "port": {strconv.Itoa(s.Ports[ports.PostgreSQL])}, "user": {superuser}}
	return "postgres:///postgres?" + q.Encode()
}

func major(version string) string {
	m, _, _ := strings.Cut(version, ".")
	return m
}

// DataDir is the server's data: one folder per major version, because they cannot read each other's.
func DataDir(d state.Dir, s Spec) string { return d.Join("postgresql", major(s.Version)) }

func preparePostgreSQL(ctx context.Context, p Place, s Spec) (Command, error) {
	data := DataDir(p.State, s)
	if err := initdb(ctx, data, filepath.Join(filepath.Dir(s.Program), "initdb"), p.Dir); err != nil {
		return Command{}, err
	}
	if err := writeIfChanged(filepath.Join(data, "pg_hba.conf"), []byte(hba)); err != nil {
		return Command{}, fmt.Errorf("write who may connect: %w", err)
	}
	if err := clearLocks(p.State.Run, data); err != nil {
		return Command{}, err
	}
	args := []string{"-D", data}
	own := []string{"port=" + strconv.Itoa(s.Ports[ports.PostgreSQL]), "unix_socket_directories=" + quoteList(p.State.Run)}
	for _, set := range append(own, settings()...) {
		args = append(args, "-c", set)
	}
	return Command{Path: s.Program, Args: args, Env: cleanEnv(p.Dir), Dir: p.Dir}, nil
}

// quoteList quotes an element of a list setting, in which commas and spaces separate.
func quoteList(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// initdb makes the data directory if it is missing, under another name first: one that is there is whole.
func initdb(ctx context.Context, data, program, home string) error {
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return nil
	}
	fresh, err := freshDir(data)
	if err != nil {
		return fmt.Errorf("make the database cluster: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-D", fresh, "-U", superuser, "--auth=reject", "--encoding=UTF8", // from the table
		"--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions", "--no-sync")
	cmd.Env, cmd.Dir = cleanEnv(home), home
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("make the database cluster: initdb: %w%s", err, tail(out.String()))
	}
	syscall.Sync() // one flush in place of one for each of a thousand files
	if err := os.Rename(fresh, data); err != nil {
		return fmt.Errorf("make the database cluster: %w", err)
	}
	return nil
}

// freshDir makes a new folder beside data and removes those of runs that were killed. An initdb that outlives its
// supervisor loses its folder and fails.
func freshDir(data string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(data), 0o700); err != nil {
		return "", err
	}
	old, err := filepath.Glob(data + ".new-*")
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		_ = os.RemoveAll(dir) // what is in use right now goes the next time
	}
	return os.MkdirTemp(filepath.Dir(data), filepath.Base(data)+".new-*")
}

// tail returns the line of initdb's output that tells the cause, else the last one, as the end of an error.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, mark := range []string{"FATAL:", "PANIC:", "error:", ""} {
		for i := len(lines) - 1; i >= 0; i-- {
			if l := strings.TrimSpace(lines[i]); l != "" && strings.Contains(l, mark) {
				return ": " + l
			}
		}
	}
	return ""
}

// clearLocks removes the lock files of a server that died: that of its data and those of its sockets. PostgreSQL does it
// by itself unless a process of the same number exists: another one after the machine was started again, or the dead
// one's remains, if nobody has collected them.
func clearLocks(run, data string) error {
	locks, err := filepath.Glob(filepath.Join(run, ".s.PGSQL.*.lock"))
	if err != nil {
		return fmt.Errorf("find the server's lock files: %w", err)
	}
	for _, file := range append(locks, filepath.Join(data, "postmaster.pid")) {
		if err := clearLock(file, data); err != nil {
			return err
		}
	}
	return nil
}

func clearLock(file, data string) error {
	raw, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the server's lock file: %w", err)
	}
	first, _, _ := strings.Cut(string(raw), "\n") // the process; negative in PostgreSQL's single-user mode
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 0 {
		return nil // PostgreSQL says better what is wrong with it
	}
	dir, err := process.WorkingDir(pid)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err == nil && sameFile(dir, data):
		return &RunningError{PID: pid, Data: data}
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove a dead server's lock file: %w", err)
	}
	return nil
}

// RunningError says that a server which this supervisor did not start uses the data directory.
type RunningError struct {
	PID  int
	Data string
}

func (e *RunningError) Error() string {
	return fmt.Sprintf("process %d, which plattr did not start, is a PostgreSQL that uses %s", e.PID, e.Data)
}

// Hint is the next step.
func (e *RunningError) Hint() string { return "stop it: kill -INT " + strconv.Itoa(e.PID) }

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// settlePostgreSQL makes the administrator, and gives it the password that this machine's secrets hold.
func settlePostgreSQL(ctx context.Context, p Place, s Spec) error {
	secrets, err := p.State.Secrets(ctx)
	if err != nil {
		return err
	}
	conn, err := connect(ctx, BootstrapURL(p.State, s))
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // the server sees the end either way
	return settleAdmin(ctx, conn, secrets.DatabaseAdmin)
}

// SettleAdmin makes the administrator on the server of a superuser's URL, with a password that has only letters and digits.
func SettleAdmin(ctx context.Context, superURL, password string) error {
	conn, err := connect(ctx, superURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // the server sees the end either way
	return settleAdmin(ctx, conn, password)
}

func settleAdmin(ctx context.Context, conn *pgx.Conn, password string) error {
	role := pgx.Identifier{AdminRole}.Sanitize()
	var exists bool
	if err := conn.QueryRow(ctx, "select exists(select from pg_roles where rolname = $1)", AdminRole).Scan(&exists); err != nil {
		return fmt.Errorf("look for the administrator: %w", err)
	}
	verb := "alter"
	if !exists {
		verb = "create"
	}
	// The password has only letters and digits; DDL takes no parameters.
	_, err := conn.Exec(ctx, verb+" role "+role+" login createrole createdb nosuperuser noreplication nobypassrls password '"+
		strings.ReplaceAll(password, "'", "''")+"'")
	if err != nil {
		return fmt.Errorf("%s the administrator: %w", verb, err)
	}
	return nil
}

func readyPostgreSQL(ctx context.Context, p Place, s Spec) error {
	secrets, err := p.State.Secrets(ctx)
	if err != nil {
		return err
	}
	conn, err := connect(ctx, AdminURL(s, secrets.DatabaseAdmin))
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // the server sees the end either way
	var one int
	if err := conn.QueryRow(ctx, "select 1").Scan(&one); err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	return nil
}

// connect takes everything from the address and nothing from PG* variables or files of the user.
func connect(ctx context.Context, address string) (*pgx.Conn, error) {
	c, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}
