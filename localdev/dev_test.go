package localdev

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

// shop is an application with everything that the laptop gives today.
func shop() deploy.Application {
	return deploy.Application{Name: "shop", Spec: v1alpha1.ApplicationSpec{
		Database: &v1alpha1.DatabaseSpec{
			Enabled: true, Migrations: v1alpha1.MigrationsSpec{Path: "./migrations"}, Seed: "./seeds",
			Rest: v1alpha1.RestSpec{Enabled: true, AnonAccess: v1alpha1.AnonRead},
		},
		Storage: &v1alpha1.StorageSpec{Enabled: true, Buckets: []v1alpha1.BucketSpec{{Name: "uploads"}, {Name: "invoices"}}},
		Env:     map[string]string{"GREETING": "it's $HOME"},
	}}
}

// newDev returns an application on a machine of its own.
func newDev(t testing.TB, app deploy.Application) *Dev {
	t.Helper()
	dir := filepath.Join(room(t), "state")
	nativeAt(t, dir)
	return devAt(t, dir, t.TempDir(), app)
}

func devAt(t testing.TB, state, project string, app deploy.Application) *Dev {
	t.Helper()
	d, err := OpenDev(t.Context(), DevOptions{
		Application: app, Dir: project, Port: 3000, Owner: "test", Getenv: env(state),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func up(t testing.TB, d *Dev) UpResult {
	t.Helper()
	begun := time.Now()
	res, err := d.Up(t.Context(), Reports{Resources: func(e engine.Event) {
		if e.Kind == engine.Failed {
			t.Logf("%s %s: %s", e.Operation, e.Name, e.Message)
		}
	}})
	if err != nil {
		t.Fatalf("up: %v", err)
	}
	t.Logf("up: %s, resources %s, %v, drift %v", time.Since(begun), res.Resources, res.Changes, res.Drift)
	return res
}

func rest(t testing.TB, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestDev(t *testing.T) {
	t.Parallel()
	d := newDev(t, shop())
	first := up(t, d)
	if first.Changes[engine.Created] == 0 {
		t.Errorf("the first run created nothing: %v", first.Changes)
	}
	second := up(t, d)
	if second.Changed() {
		t.Errorf("a second run changes %v, drift %v", second.Changes, second.Drift)
	}

	conn := connect(t, first.Connections.DatabaseURL)
	exec(t, conn, "create table item (id bigserial primary key, name text not null)", "insert into item (name) values ('a')")
	eventually(t, "PostgREST serves a new table", func() bool {
		code, body := rest(t, first.RestURL+"/item")
		return code == http.StatusOK && body == `[{"id":1,"name":"a"}]`
	})
	file, err := os.ReadFile(first.EnvFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"DATABASE_URL=", "S3_BUCKET_UPLOADS='plattr-local-shop-uploads'", "GREETING=", "SHADOW_DATABASE_URL="} {
		if !strings.Contains(string(file), want) {
			t.Errorf("the environment file has no %s", want)
		}
	}

	_, err = d.Destroy(t.Context(), Reports{})
	if err != nil {
		t.Fatalf("destroy: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(first.EnvFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("destroy left %s", filepath.Dir(first.EnvFile))
	}
	checkNothingLeft(t, d.runtime.(*Native))
}

// checkNothingLeft asks the servers themselves.
func checkNothingLeft(t *testing.T, n *Native) {
	t.Helper()
	e := ensure(t, n, Needs{PostgreSQL: true, S3: true})
	conn := connect(t, e.PostgreSQL.AdminURL)
	var left []string
	rows, err := conn.Query(t.Context(), `
		select 'database ' || datname from pg_database where datname not in ('postgres', 'template0', 'template1')
		union all select 'role ' || rolname from pg_roles where rolname !~ '^pg_' and rolname not in ('postgres', 'plattr_admin')`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		left = append(left, s)
	}
	buckets, err := s3Client(e.S3).ListBuckets(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range buckets.Buckets {
		left = append(left, "bucket "+*b.Name)
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDevRepairsDrift(t *testing.T) {
	t.Parallel()
	d := newDev(t, shop())
	res := up(t, d)
	admin := connect(t, res.Endpoints.PostgreSQL.AdminURL)
	own, err := onDatabase(res.Endpoints.PostgreSQL.AdminURL, "shop")
	if err != nil {
		t.Fatal(err)
	}
	inside := connect(t, own)
	s3 := s3Client(res.Endpoints.S3)
	bucket := res.Connections.Buckets["uploads"]
	for name, breakIt := range map[string]func(){
		"Schema": func() { exec(t, inside, `drop schema "shop" cascade`) },
		"Grant":  func() { exec(t, inside, `revoke usage on schema "shop" from "shop_anon"`) },
		"Role":   func() { exec(t, admin, `alter role "shop_app" connection limit 1`) },
		"Bucket": func() {
			if _, err := s3.DeleteBucket(t.Context(), deleteBucket(bucket)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		breakIt()
		if res := up(t, d); len(res.Drift) == 0 {
			t.Errorf("%s: no drift was seen", name)
		}
		if res := up(t, d); res.Changed() {
			t.Errorf("%s: the repair did not hold: %v, drift %v", name, res.Changes, res.Drift)
		}
	}
}

func TestDevDatabase(t *testing.T) {
	t.Parallel()
	d := newDev(t, shop())
	if _, err := d.Database(t.Context(), Reports{}); !errors.Is(err, ErrNotUp) {
		t.Errorf("before the first run: got %v, want ErrNotUp", err)
	}
	project := d.options.Dir
	write(t, filepath.Join(project, "migrations", "001_item.sql"), "create table item (id bigserial primary key, name text not null);")
	write(t, filepath.Join(project, "seeds", "items.sql"), "insert into item (name) select 'n' || i from generate_series(1, 1000) i;")
	before := up(t, d)
	db, err := d.Database(t.Context(), Reports{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		res, err := db.Reset(t.Context(), Output{})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("reset: %+v", res)
	}
	var n int
	if err := connect(t, before.Connections.DatabaseURL).QueryRow(t.Context(), "select count(*) from item").Scan(&n); err != nil || n != 1000 {
		t.Errorf("after a reset: %d rows, %v", n, err)
	}
	if res := up(t, d); res.Changed() {
		t.Errorf("a reset shows as a change: %v, drift %v", res.Changes, res.Drift)
	}
	// The template's objects belong to the roles of the REST API, which go when that does.
	less := shop()
	less.Spec.Database.Rest.Enabled = false
	without := devAt(t, d.runtime.State().Path, project, less)
	up(t, without)
	if res := up(t, without); res.Changed() {
		t.Errorf("without REST a second run changes %v", res.Changes)
	}
	up(t, d)
	after, err := d.Rotate(t.Context(), Reports{})
	if err != nil {
		t.Fatal(err)
	}
	if after.Connections.DatabaseURL == before.Connections.DatabaseURL {
		t.Error("a rotation keeps the password")
	}
	if again := up(t, d); again.Connections.DatabaseURL != after.Connections.DatabaseURL || again.Changed() {
		t.Errorf("the run after a rotation changes %v", again.Changes)
	}
	eventually(t, "PostgREST serves with the new password", func() bool {
		code, _ := rest(t, after.RestURL+"/item?limit=1")
		return code == http.StatusOK
	})
	if _, err := d.Destroy(context.WithoutCancel(t.Context()), Reports{}); err != nil {
		t.Fatal(err)
	}
	checkNothingLeft(t, d.runtime.(*Native))
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func deleteBucket(name string) *awss3.DeleteBucketInput {
	return &awss3.DeleteBucketInput{Bucket: &name}
}
