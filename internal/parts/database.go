package parts

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// database asks as the application's own role, as its pods do; where there is no Secret with its login, as after `undeploy`, or
// where it may not be read, as the administrator.
func (a Asker) database(ctx context.Context) (cluster.Part, error) {
	inPods, err := a.Cluster.DatabaseURL(ctx, a.Place)
	if err != nil {
		p, err := a.server(ctx, deploy.Servers{Database: true})
		if err != nil {
			return cluster.Part{}, err
		}
		part, err := a.inDatabase(ctx, p.Database.AdminURL(cmp.Or(p.Database.Database, a.names().Database)))
		if isLogin(err) {
			err = &refusedError{err}
		}
		return part, err
	}
	url, closeURL, err := a.Cluster.ReachDatabase(ctx, a.Place, inPods)
	if err != nil {
		return cluster.Part{}, onTheWay(err)
	}
	defer func() { _ = closeURL() }() // it was read through only
	return a.inDatabase(ctx, url)
}

// onTheWay tells a server that does not answer, or has no pod that is ready, from a way that is closed to who looks.
func onTheWay(err error) error {
	var pods *cluster.ServiceError
	if isUnreachable(err) || errors.As(err, &pods) {
		return err
	}
	return &refusedError{err}
}

func (a Asker) inDatabase(ctx context.Context, url string) (cluster.Part, error) {
	n := a.names()
	part := cluster.Part{Detail: n.Schema}
	config, err := libpq.Config(url, "plattr status")
	if err != nil {
		return part, err
	}
	conn, err := libpq.Connect(ctx, config)
	if isNoDatabase(err) {
		part.State, part.Why = cluster.PartAbsent, "there is no database "+config.Database
		return part, nil
	}
	if err != nil {
		return part, err
	}
	defer libpq.Close(conn)
	there, err := migrate.HasSchema(ctx, conn, n.Schema)
	if err != nil {
		return part, err
	}
	if !there {
		part.State, part.Why = cluster.PartAbsent, "there is no such schema"
		return part, nil
	}
	return part, a.head(ctx, conn, &part)
}

// head adds the last migration.
func (a Asker) head(ctx context.Context, conn *pgx.Conn, part *cluster.Part) error {
	n := a.names()
	part.State, part.Database = cluster.PartReady, &cluster.Database{Schema: n.Schema}
	engine := migrate.Engine(a.App.Spec.Database.Migrations.Engine)
	if engine == "" {
		return nil
	}
	head, ran, err := migrate.Head(ctx, conn, engine, n.Schema, n.MigrationsSchema)
	if err != nil {
		return err
	}
	part.Database.Head, part.Database.Migrations = head, ran
	if head == "" {
		part.Detail += ", no migration ran"
	} else {
		part.Detail += ", head " + head
	}
	return nil
}

// isNoDatabase and isLogin tell answers of the server (https://www.postgresql.org/docs/current/errcodes-appendix.html).
func isNoDatabase(err error) bool { return code(err) == "3D000" }
func isLogin(err error) bool      { return strings.HasPrefix(code(err), "28") }

func code(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}
