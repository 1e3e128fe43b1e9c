package parts_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/internal/parts"
	"plattr.dev/plattr/internal/providers/plattr/opensearch"
	"plattr.dev/plattr/internal/providers/plattr/redisclient"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

// fakeCluster is a cluster in which the application has a Secret with a URL, if that is not empty, and instances.
type fakeCluster struct {
	url      string
	instance cluster.Part
	err      error  // why instances cannot be looked at
	search   string // where the tunnel to an OpenSearch ends; empty where there may be none
}

func (c fakeCluster) DatabaseURL(context.Context, kube.App) (string, error) {
	if c.url == "" {
		return "", errors.New("there is no Secret shop-db")
	}
	return c.url, nil
}

func (fakeCluster) ReachDatabase(_ context.Context, _ kube.App, url string) (string, func() error, error) {
	return url, func() error { return nil }, nil
}

func (c fakeCluster) Instance(context.Context, kube.App, string) (cluster.Part, error) {
	return c.instance, c.err
}

func (c fakeCluster) ReachInstance(context.Context, kube.App, string, int) (string, func() error, error) {
	if c.search == "" {
		return "", nil, errors.New("pods/portforward is forbidden")
	}
	return c.search, func() error { return nil }, nil
}

// everything is an application with all parts, under a name that no other test uses.
func everything(t *testing.T) deploy.Application {
	t.Helper()
	return deploy.Application{
		Name: strings.ReplaceAll(testutil.Unique("shop"), "_", "-"),
		Spec: v1alpha1.ApplicationSpec{
			Database: &v1alpha1.DatabaseSpec{Enabled: true, Migrations: v1alpha1.MigrationsSpec{Engine: v1alpha1.EngineRaw}},
			Storage:  &v1alpha1.StorageSpec{Enabled: true, Buckets: []v1alpha1.BucketSpec{{Name: "uploads"}, {Name: "photos"}}},
			Auth:     &v1alpha1.AuthSpec{Enabled: true},
			Redis:    &v1alpha1.RedisSpec{Enabled: true}, Search: &v1alpha1.SearchSpec{Enabled: true},
		},
	}
}

func asker(app deploy.Application, c parts.Cluster, p deploy.Platform) parts.Asker {
	target := names.Target{Environment: names.Staging}
	return parts.Asker{
		App: app, Place: kube.App{Name: app.Name, Namespace: "staging", Environment: names.Staging}, Target: target, Cluster: c,
		Platform: func(context.Context, deploy.Servers) (deploy.Platform, error) { return p, nil },
	}
}

// realPlatform is one with real servers.
func realPlatform(t *testing.T) deploy.Platform {
	t.Helper()
	pg, objects, kc, redis, search := testutil.Postgres(t), testutil.S3(t), testutil.Keycloak(t), testutil.Redis(t), testutil.OpenSearch(t)
	return deploy.Platform{
		Database: deploy.DatabaseServer{
			Host: pg.Host, Port: pg.Port, Database: "postgres", TLS: "disable",
			Admin: deploy.Credentials{User: testutil.AdminUser, Secret: pg.AdminPassword},
		},
		Storage: deploy.StorageServer{
			Endpoint: objects.Endpoint, Region: objects.Region, Admin: deploy.Credentials{User: objects.AccessKey, Secret: objects.SecretKey},
		},
		Auth:   deploy.AuthServer{URL: kc.URL, Admin: deploy.Credentials{User: kc.AdminClient, Secret: kc.AdminSecret}},
		Redis:  deploy.RedisServer{Host: redis.Host, Port: redis.Port, Admin: deploy.Credentials{User: redis.Admin, Secret: redis.AdminPassword}},
		Search: deploy.SearchServer{URL: search.URL},
	}
}

// lines are what status says of parts.
func lines(all []cluster.Part) map[string]string {
	out := map[string]string{}
	for _, p := range all {
		out[p.Name] = strings.TrimSpace(strings.Join([]string{string(p.State), p.Detail, p.Why}, " | "))
	}
	return out
}

// TestAsk holds what is said of parts on real servers: before they are made, when they are there, and when some of them are not
// as they should be.
func TestAsk(t *testing.T) {
	t.Parallel()
	app, p := everything(t), realPlatform(t)
	a := asker(app, fakeCluster{}, p)
	a.Limit = time.Minute // the machine may be busy
	n := deploy.NamesOf(app, a.Target)
	redis := net.JoinHostPort(p.Redis.Host, strconv.Itoa(p.Redis.Port))
	if diff := cmp.Diff(map[string]string{
		"Database": "absent | " + n.Schema + " | there is no such schema",
		"Storage":  "absent |  | there is no bucket " + n.Bucket("uploads") + ", " + n.Bucket("photos"),
		"Auth":     "absent | realm " + n.Realm + " | there is no such realm",
		"Redis":    "absent | " + redis + " | there is no user " + app.Name,
		"Search":   "absent | 0 indices (0 documents, 0 B), health green | nothing is set up for " + n.IndexPrefix + "*",
	}, lines(a.Ask(t.Context()))); diff != "" {
		t.Error(diff)
	}

	makeDatabase(t, n)
	client := makeBuckets(t, p, n)
	kc := testutil.Keycloak(t)
	console := testutil.NewConsole(t, kc.URL, kc.Admin, kc.AdminPassword)
	makeRealm(t, console, n.Realm)
	makeIndex(t, p.Search.URL, n.IndexPrefix)
	makeUser(t, p.Redis.AdminURL(), app.Name)
	all := a.Ask(t.Context())
	got := lines(all)
	got["Search"] = sizes(got["Search"])
	if diff := cmp.Diff(map[string]string{
		"Database": "ready | " + n.Schema + ", head 002_b.sql |",
		"Storage":  "ready | uploads (2 objects, 10 B), photos (0 objects, 0 B) |",
		"Auth":     "ready | realm " + n.Realm + ", 1 provider |",
		"Redis":    "ready | " + redis + " |",
		"Search":   "ready | 1 index (2 documents, SIZE), health green |",
	}, got); diff != "" {
		t.Error(diff)
	}
	checkJSON(t, all, n)

	if _, err := client.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String(n.Bucket("photos"))}); err != nil {
		t.Fatal(err)
	}
	console.Must(http.MethodPut, n.Realm, map[string]any{"realm": n.Realm, "enabled": false})
	got = lines(a.Ask(t.Context()))
	if want := "failed | uploads (2 objects, 10 B) | there is no bucket " + n.Bucket("photos") + ": deploy the application again"; got["Storage"] != want {
		t.Errorf("a bucket is gone: %s", got["Storage"])
	}
	if want := "failed | realm " + n.Realm + ", 1 provider | the realm is disabled: nobody can sign in"; got["Auth"] != want {
		t.Errorf("the realm is disabled: %s", got["Auth"])
	}
	ownSearch(t, a, p.Search.URL)
}

// checkJSON holds the names and types under -o json.
func checkJSON(t *testing.T, all []cluster.Part, n names.Names) {
	t.Helper()
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"database":{"schema":"` + n.Schema + `","head":"002_b.sql","migrations":2}`,
		`"storage":{"buckets":[{"name":"uploads","bucket":"` + n.Bucket("uploads") + `","objects":2,"bytes":10},{"name":"photos",`,
		`"auth":{"realm":"` + n.Realm + `","providers":["google"]}`, `"redis":{"own":false,"address":"127.0.0.1:`,
		`"search":{"own":false,"prefix":"` + n.IndexPrefix + `","health":"green","indices":1,"documents":2,"bytes":`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is not in %s", want, raw)
		}
	}
}

// sizes replaces the size of an index, which is OpenSearch's own affair.
func sizes(line string) string {
	before, after, _ := strings.Cut(line, "documents, ")
	_, after, _ = strings.Cut(after, ")")
	return before + "documents, SIZE)" + after
}

func makeDatabase(t *testing.T, n names.Names) {
	t.Helper()
	pg := testutil.Postgres(t)
	conn := pg.Connect(t, pg.SuperURL("postgres"))
	for _, sql := range []string{
		"CREATE SCHEMA " + n.Schema + " AUTHORIZATION " + testutil.AdminUser,
		"CREATE SCHEMA " + n.MigrationsSchema + " AUTHORIZATION " + testutil.AdminUser,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_, _ = conn.Exec(context.WithoutCancel(t.Context()), "DROP SCHEMA "+n.Schema+" CASCADE; DROP SCHEMA "+n.MigrationsSchema+" CASCADE")
	})
	root := t.TempDir()
	for _, name := range []string{"001_a.sql", "002_b.sql"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("select 1;"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runner, err := migrate.New(migrate.Raw, migrate.Options{
		URL: pg.AdminURL("postgres"), Schema: n.Schema, MigrationsSchema: n.MigrationsSchema, Root: root, Path: ".",
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := runner.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func makeBuckets(t *testing.T, p deploy.Platform, n names.Names) *s3.Client {
	t.Helper()
	c := s3.New(s3.Options{
		Region: p.Storage.Region, BaseEndpoint: &p.Storage.Endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(p.Storage.Admin.User, p.Storage.Admin.Secret, ""),
	})
	for _, name := range []string{n.Bucket("uploads"), n.Bucket("photos")} {
		if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"a", "b/c"} {
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(n.Bucket("uploads")), Key: &key, Body: strings.NewReader("12345")})
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func makeRealm(t *testing.T, console *testutil.Console, realm string) {
	t.Helper()
	console.Must(http.MethodPost, "", map[string]any{"realm": realm, "enabled": true})
	t.Cleanup(func() { console.Send(http.MethodDelete, realm, nil) })
	for alias, enabled := range map[string]bool{"google": true, "github": false} {
		console.Must(http.MethodPost, realm+"/identity-provider/instances", map[string]any{
			"alias": alias, "providerId": alias, "enabled": enabled, "config": map[string]string{"clientId": "x", "clientSecret": "y"},
		})
	}
}

func makeIndex(t *testing.T, url, prefix string) {
	t.Helper()
	c, err := opensearch.New(url, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Empty(context.WithoutCancel(t.Context()), prefix) })
	call := func(method, path string, body any) {
		t.Helper()
		if err := c.Call(t.Context(), method, path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	call(http.MethodPut, "/"+prefix+"books", map[string]any{"settings": map[string]any{"number_of_replicas": 0}})
	for _, id := range []string{"1", "2"} {
		call(http.MethodPut, "/"+prefix+"books/_doc/"+id+"?refresh=true", map[string]any{"title": id})
	}
}

func makeUser(t *testing.T, adminURL, name string) {
	t.Helper()
	c, err := redisclient.Parse(adminURL, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Do(context.WithoutCancel(t.Context()), "ACL", "DELUSER", name).Err()
		_ = c.Close()
	})
	if err := c.Do(t.Context(), "ACL", "SETUSER", name, "on").Err(); err != nil {
		t.Fatal(err)
	}
}

// TestDatabaseLogin holds that the pods' own login is what counts where there is one, and that it is not the same as that of an
// administrator.
func TestDatabaseLogin(t *testing.T) {
	t.Parallel()
	pg := testutil.Postgres(t)
	app := deploy.Application{Name: "shop", Spec: v1alpha1.ApplicationSpec{Database: &v1alpha1.DatabaseSpec{Enabled: true, SchemaName: "lost"}}}
	p := deploy.Platform{Database: deploy.DatabaseServer{Host: pg.Host, Port: pg.Port, Database: "postgres", TLS: "disable"}}
	p.Database.Admin = deploy.Credentials{User: testutil.AdminUser, Secret: "wrong"}
	for name, tc := range map[string]struct{ url, want string }{
		"Own":           {pg.AdminURL("postgres"), "absent | staging_lost | there is no such schema"},
		"OwnRefused":    {pg.URL(testutil.AdminUser, "planted", "postgres"), "failed | staging_lost | connect to database postgres at " + pg.Address() + " as " + testutil.AdminUser + ": password authentication failed"},
		"NoDatabase":    {pg.AdminURL("nothing"), "absent | staging_lost | there is no database nothing"},
		"AdminsRefused": {"", "unknown | staging_lost | connect to database postgres"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := lines(asker(app, fakeCluster{url: tc.url}, p).Ask(t.Context()))["Database"]
			if !strings.HasPrefix(got, tc.want) || strings.Contains(got, "planted") {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// TestRefused holds that administrators whom servers do not know are not taken for parts that do not work.
func TestRefused(t *testing.T) {
	t.Parallel()
	app, p := everything(t), realPlatform(t)
	app.Spec.Database, app.Spec.Search = nil, nil
	for _, c := range []*deploy.Credentials{&p.Storage.Admin, &p.Auth.Admin, &p.Redis.Admin} {
		c.Secret = "planted-secret"
	}
	all := asker(app, fakeCluster{}, p).Ask(t.Context())
	if len(all) != 3 {
		t.Fatalf("%+v", all)
	}
	for _, part := range all {
		if part.State != cluster.PartUnknown || part.Why == "" || strings.Contains(part.Why+part.Detail, "planted-secret") {
			t.Errorf("%+v", part)
		}
	}
}

// TestUnasked holds that missing credentials are said, and nothing else is done.
func TestUnasked(t *testing.T) {
	t.Parallel()
	a := asker(everything(t), fakeCluster{}, deploy.Platform{})
	a.Platform = func(context.Context, deploy.Servers) (deploy.Platform, error) {
		return deploy.Platform{}, errors.New("environments.staging.x: env:DB_PASSWORD: the environment variable is not set")
	}
	all := a.Ask(t.Context())
	if len(all) != 5 {
		t.Fatalf("%+v", all)
	}
	for _, part := range all {
		if part.State != cluster.PartUnknown || part.Why != "not asked: environments.staging.x: env:DB_PASSWORD: the environment variable is not set" {
			t.Errorf("%+v", part)
		}
	}
}

// TestUnreachable holds that servers which are not there, or do not answer, cost no more than the limit, and no other part.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{"Refusing": refusing(t), "Silent": silent(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, port := split(t, address)
			who := deploy.Credentials{User: "planted-user", Secret: "planted-secret"}
			a := asker(everything(t), fakeCluster{}, deploy.Platform{
				Database: deploy.DatabaseServer{Host: host, Port: port, Database: "apps", TLS: "disable", Admin: who},
				Storage:  deploy.StorageServer{Endpoint: "http://" + address, Region: "us-east-1", Admin: who},
				Auth:     deploy.AuthServer{URL: "http://" + address, Admin: who},
				Redis:    deploy.RedisServer{Host: host, Port: port, Admin: who},
				Search:   deploy.SearchServer{URL: "http://" + address, Admin: who},
			})
			began := time.Now()
			all := a.Ask(t.Context())
			if took := time.Since(began); took > parts.DefaultLimit+2*time.Second {
				t.Errorf("it took %s", took)
			}
			if len(all) != 5 {
				t.Fatalf("%+v", all)
			}
			for _, part := range all {
				if part.State != cluster.PartUnreachable || part.Why == "" || strings.Contains(part.Why, "planted-secret") {
					t.Errorf("%+v", part)
				}
			}
		})
	}
}

// TestStubborn holds that a client which does not heed its context is not waited for.
func TestStubborn(t *testing.T) {
	t.Parallel()
	app := everything(t)
	app.Spec = v1alpha1.ApplicationSpec{Redis: app.Spec.Redis}
	a := asker(app, fakeCluster{}, deploy.Platform{})
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	a.Limit = 100 * time.Millisecond
	a.Platform = func(context.Context, deploy.Servers) (deploy.Platform, error) {
		<-never
		return deploy.Platform{}, nil
	}
	if got := lines(a.Ask(t.Context()))["Redis"]; got != "unreachable |  | no answer within 100ms" {
		t.Error(got)
	}
}

// TestInstances holds that servers of the application's own are judged by their pods.
func TestInstances(t *testing.T) {
	t.Parallel()
	app := everything(t)
	app.Spec = v1alpha1.ApplicationSpec{Redis: app.Spec.Redis, Search: app.Spec.Search}
	p := deploy.Platform{Redis: deploy.RedisServer{Image: "redis"}, Search: deploy.SearchServer{Image: "opensearch"}}
	ready := cluster.Part{State: cluster.PartReady, Detail: "own instance"}
	waiting := cluster.Part{State: cluster.PartWaiting, Detail: "own instance", Why: "it fits on no node"}
	for name, tc := range map[string]struct {
		instance cluster.Part
		err      error
		want     string
	}{
		"Ready":     {ready, nil, "ready | own instance |"},
		"Waiting":   {waiting, nil, "waiting | own instance | it fits on no node"},
		"Forbidden": {cluster.Part{}, errors.New("bob may not get deployments"), "unknown |  | bob may not get deployments"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := lines(asker(app, fakeCluster{instance: tc.instance, err: tc.err}, p).Ask(t.Context()))
			if diff := cmp.Diff(map[string]string{"Redis": tc.want, "Search": tc.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// ownSearch holds what is said of an application's own OpenSearch, through a tunnel. The application has an index.
func ownSearch(t *testing.T, a parts.Asker, url string) {
	t.Helper()
	a.App.Spec = v1alpha1.ApplicationSpec{Search: a.App.Spec.Search}
	a.Platform = func(context.Context, deploy.Servers) (deploy.Platform, error) {
		return deploy.Platform{Search: deploy.SearchServer{Image: "opensearch"}}, nil
	}
	c := fakeCluster{instance: cluster.Part{State: cluster.PartReady, Detail: "own instance"}, search: strings.TrimPrefix(url, "http://")}
	a.Cluster = c
	all := a.Ask(t.Context())
	if got := sizes(lines(all)["Search"]); got != "ready | own instance, 1 index (2 documents, SIZE), health green |" {
		t.Error(got)
	}
	if s := all[0].Search; s == nil || !s.Own || s.Documents != 2 {
		t.Errorf("%+v", s)
	}
	c.search = refusing(t)
	a.Cluster = c
	if got := a.Ask(t.Context())[0]; got.State != cluster.PartUnreachable || got.Detail != "own instance" {
		t.Errorf("a tunnel that leads nowhere: %+v", got)
	}
}

// refusing is an address at which nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l := listen(t)
	l.Close()
	return l.Addr().String()
}

// silent is an address at which somebody listens, and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func split(t *testing.T, address string) (host string, port int) {
	t.Helper()
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	if port, err = strconv.Atoi(text); err != nil {
		t.Fatal(err)
	}
	return host, port
}
