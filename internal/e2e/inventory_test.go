package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"plattr.dev/plattr/internal/providers/plattr/opensearch"
	"plattr.dev/plattr/internal/providers/plattr/redisclient"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/services"
)

// inventory is everything on the servers that is not theirs from the start, asked of the servers themselves.
func (w *world) inventory() []string {
	w.t.Helper()
	n, err := localdev.NewNative(w.t.Context(), w.getenv)
	if err != nil {
		w.t.Fatal(err)
	}
	all := localdev.Needs{PostgreSQL: true, S3: true, Keycloak: true, OpenSearch: true} // the neighbour has them all
	e, err := n.Ensure(w.t.Context(), all, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	secrets, err := n.State().Secrets(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.Concat(
		w.databases(e.PostgreSQL.AdminURL), bucketsOf(w.t, e.S3), w.spaces(e.OpenSearch.URL), w.processes(n),
		w.realms(testutil.NewConsole(w.t, e.Keycloak.InternalURL, services.KeycloakAdmin, secrets.KeycloakAdmin)),
	)
}

// processes are the services of single applications, and the users of each Redis.
func (w *world) processes(n *localdev.Native) []string {
	w.t.Helper()
	status, err := n.Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	secrets, err := n.State().Secrets(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var have []string
	for _, s := range status.Services {
		if s.Name == string(s.Kind) {
			continue
		}
		have = append(have, "process "+s.Name)
		if s.Kind == services.Redis {
			have = append(have, w.redisUsers(s.Name, s.Spec.Address(ports.Redis), secrets.RedisAdmin)...)
		}
	}
	return have
}

func (w *world) redisUsers(name, address, password string) []string {
	w.t.Helper()
	client := redisclient.New(address, services.RedisAdmin, password, 10*time.Second)
	defer func() { _ = client.Close() }()
	users, err := client.Do(w.t.Context(), "acl", "users").StringSlice()
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	var have []string
	for _, u := range users {
		if u != "default" && u != services.RedisAdmin {
			have = append(have, "user "+u+" of "+name)
		}
	}
	return have
}

// spaces are the places of applications in OpenSearch, and the indices there.
func (w *world) spaces(at string) []string {
	w.t.Helper()
	client, err := opensearch.New(at, time.Minute)
	if err != nil {
		w.t.Fatal(err)
	}
	var marks struct {
		Templates []struct{ Name string } `json:"component_templates"`
	}
	var indices []struct{ Index string }
	err = errors.Join(
		client.Call(w.t.Context(), http.MethodGet, "/_component_template", nil, &marks),
		client.Call(w.t.Context(), http.MethodGet, "/_cat/indices?format=json", nil, &indices))
	if err != nil {
		w.t.Fatal(err)
	}
	var have []string
	for _, m := range marks.Templates {
		have = append(have, "space "+m.Name)
	}
	for _, i := range indices {
		have = append(have, "index "+i.Index)
	}
	return have
}

// realms are those of applications, with all in them that Keycloak does not make by itself.
func (w *world) realms(c *testutil.Console) []string {
	w.t.Helper()
	var have []string
	for _, realm := range of(c.Get("?briefRepresentation=true"), "realm") {
		clients := slices.DeleteFunc(of(c.Get(realm+"/clients?search=false&max=1000"), "clientId"), func(id string) bool {
			return slices.Contains([]string{
				"account", "account-console", "admin-cli", "broker", "realm-management", "security-admin-console", "plattr", "master-realm",
			}, id)
		})
		parts := map[string][]string{"client": clients}
		if realm != "master" {
			have = append(have, "realm "+realm)
			parts["user"] = of(c.Get(realm+"/users?max=1000"), "username")
			parts["provider"] = of(c.Get(realm+"/identity-provider/instances"), "alias")
			parts["mapper"] = mappers(c, realm)
		}
		for what, names := range parts {
			for _, name := range names {
				have = append(have, what+" "+name+" of "+realm)
			}
		}
	}
	return have
}

// mappers are those of the client that has the application's name.
func mappers(c *testutil.Console, realm string) []string {
	app, _, _ := strings.Cut(realm, "-")
	var have []string
	for _, id := range of(c.Get(realm+"/clients?clientId="+app), "id") {
		have = append(have, of(c.Get(realm+"/clients/"+id+"/protocol-mappers/models"), "name")...)
	}
	return have
}

// of takes one field from each thing in a list.
func of(answer map[string]any, field string) []string {
	var out []string
	for _, one := range answer["list"].([]any) {
		out = append(out, fmt.Sprint(one.(map[string]any)[field]))
	}
	return out
}

func (w *world) databases(admin string) []string {
	w.t.Helper()
	have := query(w.t, admin, `
		select 'database ' || datname from pg_database where datname not in ('postgres', 'template0', 'template1', 'plattr_keycloak')
		union all
		select 'role ' || rolname from pg_roles where rolname !~ '^pg_' and rolname not in ('postgres', 'plattr_admin', 'plattr_keycloak')`)
	for _, name := range []string{"other", "shop"} {
		u, err := url.Parse(admin)
		if err != nil {
			w.t.Fatal("the administrator's URL is none")
		}
		u.Path = "/" + name
		have = append(have, query(w.t, u.String(), `
			select 'schema ' || current_database() || '.' || nspname from pg_namespace
			where nspname !~ '^pg_' and nspname not in ('information_schema', 'public', 'extensions')`)...)
	}
	return have
}

// query returns the rows of one text column; a database that is not there has none.
func query(t testing.TB, databaseURL, sql string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	have, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return have
}

// bucketsOf are the buckets and the users of an S3 server, these with their number of keys.
func bucketsOf(t testing.TB, e *localdev.S3Endpoint) []string {
	t.Helper()
	ctx := t.Context()
	login := credentials.NewStaticCredentialsProvider(e.AccessKey, e.SecretKey, "")
	buckets, err := s3.New(s3.Options{
		BaseEndpoint: &e.URL, Region: e.Region, UsePathStyle: true, Credentials: login,
	}).ListBuckets(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, b := range buckets.Buckets {
		have = append(have, "bucket "+aws.ToString(b.Name))
	}
	client := iam.New(iam.Options{BaseEndpoint: &e.IAMURL, Region: e.Region, Credentials: login})
	users, err := client.ListUsers(ctx, &iam.ListUsersInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users.Users {
		keys, err := client.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: u.UserName})
		if err != nil {
			t.Fatal(err)
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
