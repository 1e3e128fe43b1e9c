package libpq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

const (
	// connectTimeout bounds one attempt to reach the server.
	connectTimeout = 10 * time.Second
	// cancelGrace is how long a cancelled statement may take to end before the connection is cut.
	cancelGrace = 2 * time.Second
)

// Config reads a URL for connections of this program under a name that the server's administrator sees. A cancelled
// context cancels the statement that runs and keeps the connection, if the server obeys in time. Plans are not kept.
func Config(databaseURL, name string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err)
	}
	delete(config.RuntimeParams, "schema")                          // Prisma's ?schema= is no setting of the server
	if address := config.RuntimeParams["hostaddr"]; address != "" { // where the host is, for a name that is not known here
		delete(config.RuntimeParams, "hostaddr")
		config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{address}, nil }
	}
	config.RuntimeParams["application_name"] = name
	config.ConnectTimeout = connectTimeout
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: cancelGrace}
	}
	return config, nil
}

// ConnectError is a server that could not be reached, or that refused.
type ConnectError struct {
	// Address is host:port.
	Address, User, Database string
	Err                     error
}

// Error is one line: where, as whom, and why not.
func (e *ConnectError) Error() string {
	return fmt.Sprintf("connect to database %s at %s as %s: %s", e.Database, e.Address, e.User, e.reason())
}

// Unwrap returns the driver's error.
func (e *ConnectError) Unwrap() error { return e.Err }

func (e *ConnectError) reason() string {
	var server *pgconn.PgError
	var dial *net.OpError
	switch {
	case errors.As(e.Err, &server):
		return fmt.Sprintf("%s (%s)", server.Message, server.Code)
	case errors.Is(e.Err, context.Canceled):
		return "cancelled"
	case errors.Is(e.Err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(e.Err, &dial):
		return dial.Err.Error()
	}
	return e.Err.Error()
}

// Connect opens a connection.
func Connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, &ConnectError{
			Address: net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), User: config.User, Database: config.Database, Err: err,
		}
	}
	return conn, nil
}

// Close closes a connection, within bounds. The server frees what the connection holds, however it ends.
func Close(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelGrace)
	defer cancel()
	_ = conn.Close(ctx)
}
