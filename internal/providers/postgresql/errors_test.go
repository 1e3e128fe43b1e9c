package postgresql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/providers/postgresql/server"
	"plattr.dev/plattr/internal/testutil"
)

func connectError(t testing.TB, url string) error {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err == nil {
		_ = c.Close(t.Context())
	}
	return err
}

// TestUnsupported holds that what the provider cannot do is refused by name, before anything is made.
func TestUnsupported(t *testing.T) {
	t.Parallel()
	p := testutil.NewProvider(t, New(), "refused", map[string]any{"host": "nowhere.invalid"}) // nothing is dialled
	cases := map[string]struct {
		token string
		in    inputs
		want  string
	}{
		"UnknownInput":   {roleToken, inputs{"name": "x", "assumeRole": "y"}, `input "assumeRole" is not supported by the embedded postgresql provider`},
		"NoName":         {roleToken, inputs{}, "name: is required"},
		"LongName":       {schemaToken, inputs{"name": strings.Repeat("x", 64)}, "longer than 63 bytes"},
		"NUL":            {databaseToken, inputs{"name": "a\x00b"}, "NUL"},
		"ValidUntil":     {roleToken, inputs{"name": "x", "validUntil": "2030-01-01"}, "validUntil: only infinity"},
		"PlainPassword":  {roleToken, inputs{"name": "x", "encryptedPassword": false}, "encryptedPassword:"},
		"WrongType":      {databaseToken, inputs{"name": "x", "connectionLimit": "many"}, "connectionLimit"},
		"ObjectType":     {grantToken, inputs{"role": "x", "database": "y", "objectType": "foreign_server", "privileges": []any{}}, `"foreign_server" is not supported`},
		"Privilege":      {grantToken, inputs{"role": "x", "database": "y", "objectType": "database", "privileges": []any{"SELECT; DROP"}}, `"SELECT; DROP" is no privilege on a database`},
		"GrantOption":    {grantToken, inputs{"role": "x", "database": "y", "objectType": "database", "privileges": []any{}, "withGrantOption": true}, "withGrantOption: is not supported"},
		"NoSchema":       {grantToken, inputs{"role": "x", "database": "y", "objectType": "table", "privileges": []any{}}, "schema: is required"},
		"SchemaTooMany":  {grantToken, inputs{"role": "x", "database": "y", "schema": "z", "objectType": "database", "privileges": []any{}}, "schema: has no meaning"},
		"ObjectsTooMany": {grantToken, inputs{"role": "x", "database": "y", "schema": "z", "objectType": "schema", "objects": []any{"a"}, "privileges": []any{}}, "objects: has no meaning"},
		"DefaultType":    {defaultsToken, inputs{"role": "x", "database": "y", "owner": "z", "objectType": "database", "privileges": []any{}}, `"database" is not supported`},
		"UnknownType":    {"postgresql:index/publication:Publication", inputs{}, "does not serve postgresql:index/publication:Publication"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := p.Check(t, tc.token, tc.in)
			wantErr(t, err, tc.want)
		})
	}
	res, err := New().CheckConfig(t.Context(), plugin.CheckConfigRequest{
		News: resource.NewPropertyMapFromMap(map[string]any{"awsRdsIamAuth": "true"}),
	})
	if err != nil || len(res.Failures) != 1 || !strings.Contains(res.Failures[0].Reason, "awsRdsIamAuth") {
		t.Errorf("configuration: %v %v", res, err)
	}
	_, err = New().Configure(t.Context(), plugin.ConfigureRequest{
		Inputs: resource.NewPropertyMapFromMap(map[string]any{"scheme": "awspostgres"}),
	})
	wantErr(t, err, `scheme "awspostgres" is not supported`)
}

// TestUnreachable holds that a server that is not there is one clear error, within the time limit.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	pg := testutil.Postgres(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	port := func(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
	cases := map[string]struct {
		reason string
		change map[string]any
		want   string
	}{
		"Closed": {"Nobody listens.", map[string]any{"port": port(closed)}, "connect to PostgreSQL at " + closed.Addr().String() + ` as "plattr_admin": connection refused`},
		"Silent": {"Somebody listens and never answers.", map[string]any{"port": port(silent)}, "connect to PostgreSQL at " + silent.Addr().String() + ` as "plattr_admin": no answer in time`},
		"Name":   {"The host's name is wrong.", map[string]any{"host": "nowhere.invalid"}, "connect to PostgreSQL at nowhere.invalid:"},
		"Password": {
			"The password is wrong.",
			map[string]any{"password": "planted-wrong-password"},
			"connect to PostgreSQL at " + pg.Address() + ` as "plattr_admin": password authentication failed`,
		},
		"User": {"The user is unknown.", map[string]any{"username": "nobody_there"}, `as "nobody_there": password authentication failed`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := adminConfig(pg)
			config["connectTimeout"] = 1
			maps.Copy(config, tc.change)
			p := testutil.NewProvider(t, New(), "absent", config)
			began := time.Now()
			_, err := p.Create(t, roleToken, inputs{"name": "x"})
			wantErr(t, err, tc.want)
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "planted-wrong") {
				t.Errorf("%s: not one line, or with a secret: %q", tc.reason, err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s: took %s", tc.reason, took)
			}
		})
	}
}

// TestPreviewWithoutServer holds that a preview needs no server.
func TestPreviewWithoutServer(t *testing.T) {
	t.Parallel()
	p := testutil.NewProvider(t, New(), "preview", map[string]any{"host": "nowhere.invalid"})
	in, err := p.Check(t, roleToken, inputs{"name": "x"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Provider.Create(t.Context(), plugin.CreateRequest{
		URN: "urn:pulumi:s::p::" + roleToken + "::x", Properties: in, Preview: true,
	})
	if err != nil {
		t.Error(err)
	}
}

// TestServerKilled holds that a server that goes away in the middle is one clear error, and that the next run, on the
// same provider, goes on when it is back.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	pg := testutil.NewPostgres(t)
	p := providerOn(t, pg, "killed")
	role := p.MustCreate(t, roleToken, inputs{"name": "before"})
	sleeper := make(chan error, 1)
	holder := pg.Connect(t, pg.AdminURL("postgres"))
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock($1)", int64(server.ChangeLock)); err != nil {
		t.Fatal(err)
	}
	go func() { // waits for the lock while the server dies
		_, err := p.Create(t, roleToken, inputs{"name": "during"})
		sleeper <- err
	}()
	time.Sleep(200 * time.Millisecond)
	pg.Stop()
	err := <-sleeper
	wantErr(t, err, "PostgreSQL at "+pg.Address())
	_, err = p.Create(t, roleToken, inputs{"name": "after"})
	wantErr(t, err, "connect to PostgreSQL at "+pg.Address()+` as "plattr_admin": connection refused`)

	if err := pg.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.MustCreate(t, roleToken, inputs{"name": "during"})
	if !role.Refresh() {
		t.Error("the role is gone")
	}
}

// TestCancel holds that an operation that waits ends at once when the run is cancelled.
func TestCancel(t *testing.T) {
	t.Parallel()
	pg := testutil.Postgres(t)
	p := provider(t, "cancel")
	database := newDatabase(t, p)
	holder := pg.Connect(t, pg.AdminURL(database))
	exec(t, holder, fmt.Sprintf("SELECT pg_advisory_lock(%d)", server.ChangeLock))
	done := make(chan error, 1)
	go func() {
		_, err := p.Create(t, schemaToken, inputs{"name": "shop", "database": database})
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("did not wait for the lock: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	began := time.Now()
	if err := p.SignalCancellation(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("cancelling took %s", took)
	}
}
