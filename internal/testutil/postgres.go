package testutil

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/localdev/programs"
)

// The roles of a test server. The administrator may create roles and databases and is no superuser, as on Aurora;
// the superuser only bootstraps databases.
const (
	SuperUser = "postgres"
	AdminUser = "plattr_admin"
)

// PostgresServer is a PostgreSQL server of this test binary, listening on loopback. It ends with the process, even a killed
// one.
type PostgresServer struct {
	Host string
	Port int
	// SuperPassword and AdminPassword are random.
	SuperPassword, AdminPassword string

	dir  string
	stop func()
}

// Postgres returns the server that the tests of this binary share; the first call starts it.
func Postgres(t testing.TB) *PostgresServer {
	t.Helper()
	return mustPostgres(t, sharedPostgres)
}

// NewPostgres starts a server of the test's own, which may be stopped and started again.
func NewPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	pg := mustPostgres(t, func() (*PostgresServer, error) { return newPostgres(t.Context()) })
	t.Cleanup(func() {
		pg.Stop()
		_ = os.RemoveAll(pg.dir)
	})
	return pg
}

func mustPostgres(t testing.TB, start func() (*PostgresServer, error)) *PostgresServer {
	t.Helper()
	Require(t, !testing.Short(), "a real PostgreSQL server is not for short tests")
	pg, err := start()
	var missing *programs.NotFoundError
	if errors.As(err, &missing) {
		Require(t, false, err.Error())
	}
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	return pg
}

//nolint:gochecknoglobals // one server per test binary: to start one costs more than most tests
var sharedPostgres = sync.OnceValues(func() (*PostgresServer, error) { return newPostgres(context.Background()) })

func newPostgres(ctx context.Context) (*PostgresServer, error) {
	program, err := postgresProgram(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "plattr-pg-")
	if err != nil {
		return nil, fmt.Errorf("make a data directory: %w", err)
	}
	pg := &PostgresServer{Host: "127.0.0.1", dir: dir, SuperPassword: random(), AdminPassword: random()}
	if err := pg.initialise(ctx, program); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	if err := pg.Start(ctx); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return pg, pg.query(ctx, fmt.Sprintf(
		"CREATE ROLE %s LOGIN CREATEROLE CREATEDB NOSUPERUSER PASSWORD '%s'", AdminUser, pg.AdminPassword))
}

// postgresProgram finds the server that laptops get, or the one in the folder PLATTR_TEST_POSTGRESQL: clusters may
// have an older version.
func postgresProgram(ctx context.Context) (programs.Program, error) {
	if dir := os.Getenv("PLATTR_TEST_POSTGRESQL"); dir != "" {
		return programs.Program{Dir: dir}, nil
	}
	return programs.Find(ctx, "postgresql")
}

// serverSettings make the server fast and its log complete.
func serverSettings() []string {
	return []string{
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
		"-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200",
		"-c", "shared_buffers=32MB", "-c", "log_statement=all", "-c", "logging_collector=off",
	}
}

// URL is a connection URL for a user in a database. A name may hold any character.
func (p *PostgresServer) URL(user, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password), Host: p.Address(), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Address is host:port.
func (p *PostgresServer) Address() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }

// SuperURL is the superuser's URL; tests of plattr use it to bootstrap and to look, never to do plattr's work.
func (p *PostgresServer) SuperURL(database string) string {
	return p.URL(SuperUser, p.SuperPassword, database)
}

// AdminURL is the URL of the administrator that plattr works as.
func (p *PostgresServer) AdminURL(database string) string {
	return p.URL(AdminUser, p.AdminPassword, database)
}

// Connect opens a connection that ends with the test.
func (p *PostgresServer) Connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(context.WithoutCancel(t.Context()), url) // clean-ups connect, too
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// Stop ends the server at once, as a crash would.
func (p *PostgresServer) Stop() { p.stop() }

// Start starts a server that was stopped, on the same port if it can.
func (p *PostgresServer) Start(ctx context.Context) error {
	if p.Port == 0 {
		port, err := freePort()
		if err != nil {
			return err
		}
		p.Port = port
	}
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer func() { _ = log.Close() }() // the server has its own
	// The shell ends the server and removes its files when its standard input ends: that is when this process does.
	script := `dir=$1; shift; "$dir/postgres" -D "$dir/data" "$@" & pid=$!; read -r how; ` +
		`kill -QUIT $pid; wait $pid; [ "$how" = keep ] || rm -rf "$dir"`
	args := append([]string{"-c", script, "sh", p.dir, "-c", "port=" + strconv.Itoa(p.Port)}, serverSettings()...)
	cmd := exec.Command("sh", args...)
	cmd.Stdout, cmd.Stderr = log, log
	p.asService(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	p.stop = sync.OnceFunc(func() {
		_, _ = io.WriteString(stdin, "keep\n")
		_ = cmd.Wait()
	})
	return p.ready(ctx)
}

func (p *PostgresServer) initialise(ctx context.Context, program programs.Program) error {
	if err := os.Symlink(program.Path("postgres"), filepath.Join(p.dir, "postgres")); err != nil {
		return fmt.Errorf("link the program: %w", err)
	}
	password := filepath.Join(p.dir, "password")
	if err := os.WriteFile(password, []byte(p.SuperPassword), 0o600); err != nil {
		return fmt.Errorf("write the password: %w", err)
	}
	if err := chownAll(p.dir); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program.Path("initdb"), "-D", filepath.Join(p.dir, "data"), "-U", SuperUser,
		"--pwfile="+password, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	p.asService(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// Log is everything that the server has logged; every statement is.
func (p *PostgresServer) Log(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(p.dir, "log"))
	if err != nil {
		t.Fatalf("read the server's log: %v", err)
	}
	return string(raw)
}

func (p *PostgresServer) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := p.query(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			raw, _ := os.ReadFile(filepath.Join(p.dir, "log"))
			return fmt.Errorf("PostgreSQL did not start: %w\n%s", err, raw)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *PostgresServer) query(ctx context.Context, sql string) error {
	c, err := pgx.Connect(ctx, p.SuperURL("postgres"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = c.Close(ctx) }()
	_, err = c.Exec(ctx, sql)
	return err
}

// asService runs a command as the user that the data directory belongs to, in a group of its own, so that Ctrl-C
// reaches the tests first.
func (p *PostgresServer) asService(cmd *exec.Cmd) {
	cmd.Dir = p.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
}

// nobody is the user that servers run as in tests by root, which PostgreSQL refuses.
const nobody = 65534

func chownAll(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, path := range []string{dir, filepath.Join(dir, "password")} {
		if err := os.Chown(path, nobody, nobody); err != nil {
			return fmt.Errorf("give the data directory away: %w", err)
		}
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return strconv.Atoi(port)
}

// Unique is a name that no other test uses: prefix and 10 digits.
func Unique(prefix string) string { return prefix + "_" + strings.ToLower(random()[:10]) }

func random() string {
	raw := make([]byte, 16)
	if _, err := rand.Read(raw); err != nil {
		panic(err) // no test can run without randomness
	}
	return hex.EncodeToString(raw)
}
