package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"plattr.dev/plattr/localdev"
)

// inventory is everything on the servers that is not theirs from the start, asked of the servers themselves.
func (w *world) inventory() []string {
	w.t.Helper()
	n, err := localdev.NewNative(w.t.Context(), w.getenv)
	if err != nil {
		w.t.Fatal(err)
	}
	e, err := n.Ensure(w.t.Context(), localdev.Needs{PostgreSQL: true, S3: true}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return append(w.databases(e.PostgreSQL.AdminURL), w.buckets(e.S3)...)
}

func (w *world) databases(admin string) []string {
	w.t.Helper()
	have := w.query(admin, `
		select 'database ' || datname from pg_database where datname not in ('postgres', 'template0', 'template1')
		union all
		select 'role ' || rolname from pg_roles where rolname !~ '^pg_' and rolname not in ('postgres', 'plattr_admin')`)
	for _, name := range []string{"other", "shop"} {
		u, err := url.Parse(admin)
		if err != nil {
			w.t.Fatal("the administrator's URL is none")
		}
		u.Path = "/" + name
		have = append(have, w.query(u.String(), `
			select 'schema ' || current_database() || '.' || nspname from pg_namespace
			where nspname !~ '^pg_' and nspname not in ('information_schema', 'public', 'extensions')`)...)
	}
	return have
}

// query returns the rows of one text column; a database that is not there has none.
func (w *world) query(databaseURL, sql string) []string {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), databaseURL)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(w.t.Context(), sql)
	if err != nil {
		w.t.Fatal(err)
	}
	have, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		w.t.Fatal(err)
	}
	return have
}

func (w *world) buckets(e *localdev.S3Endpoint) []string {
	w.t.Helper()
	ctx := w.t.Context()
	login := credentials.NewStaticCredentialsProvider(e.AccessKey, e.SecretKey, "")
	buckets, err := s3.New(s3.Options{
		BaseEndpoint: &e.URL, Region: e.Region, UsePathStyle: true, Credentials: login,
	}).ListBuckets(ctx, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	var have []string
	for _, b := range buckets.Buckets {
		have = append(have, "bucket "+aws.ToString(b.Name))
	}
	client := iam.New(iam.Options{BaseEndpoint: &e.IAMURL, Region: e.Region, Credentials: login})
	users, err := client.ListUsers(ctx, &iam.ListUsersInput{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, u := range users.Users {
		keys, err := client.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: u.UserName})
		if err != nil {
			w.t.Fatal(err)
		}
		have = append(have, fmt.Sprintf("user %s with %d key", aws.ToString(u.UserName), len(keys.AccessKeyMetadata)))
	}
	return have
}

// isMissing tells a database that does not exist (SQLSTATE 3D000) from one that cannot be reached.
func isMissing(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "3D000"
}
