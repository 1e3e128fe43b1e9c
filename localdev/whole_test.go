package localdev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/providers/plattr/opensearch"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/supervisor"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

// whole is an application with everything that the laptop gives.
func whole(name string) deploy.Application {
	app := shop()
	app.Name = name
	app.Spec.Auth = &v1alpha1.AuthSpec{Enabled: true, RedirectPaths: []string{"/auth/callback"}}
	app.Spec.Redis = &v1alpha1.RedisSpec{Enabled: true}
	app.Spec.Search = &v1alpha1.SearchSpec{Enabled: true}
	return app
}

// console works in the local Keycloak as a person does.
func console(t testing.TB, n *Native, e Endpoints) *testutil.Console {
	t.Helper()
	secrets, err := n.state.Secrets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return testutil.NewConsole(t, e.Keycloak.InternalURL, "admin", secrets.KeycloakAdmin)
}

// demo is the demo user's way into an application.
func demo(r UpResult) testutil.SignIn {
	return testutil.SignIn{
		Issuer: r.Connections.IssuerURL, ClientID: r.Connections.ClientID, ClientSecret: r.Connections.ClientSecret,
		RedirectURI: "http://localhost:3000/auth/callback", User: "demo", Password: r.Connections.DemoPassword,
	}
}

func mustSignIn(t testing.TB, s testutil.SignIn) string {
	t.Helper()
	token, err := s.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// clientID is the client's own ID in its realm.
func clientID(c *testutil.Console, realm, name string) string {
	for _, client := range c.Get(realm + "/clients?clientId=" + name)["list"].([]any) {
		return fmt.Sprint(client.(map[string]any)["id"])
	}
	return ""
}

// killServices ends services as the kernel does when memory is short.
func killServices(t testing.TB, n *Native, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := syscall.Kill(service(t, n, name).PID, syscall.SIGKILL); err != nil {
			t.Fatalf("kill %s: %v", name, err)
		}
	}
}

// put writes a document into one of an application's indices.
func put(t testing.TB, r UpResult, index string) {
	t.Helper()
	c := searchClient(t, r.Endpoints)
	err := c.Call(t.Context(), http.MethodPut, "/"+r.Connections.SearchPrefix+index+"/_doc/1?refresh=true", map[string]any{"text": "x"}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// holds tells whether an application has an index.
func holds(t testing.TB, r UpResult, index string) bool {
	t.Helper()
	err := searchClient(t, r.Endpoints).Call(t.Context(), http.MethodGet, "/"+r.Connections.SearchPrefix+index, nil, nil)
	if err != nil && !opensearch.IsNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

func searchClient(t testing.TB, e Endpoints) *opensearch.Client {
	t.Helper()
	c, err := opensearch.New(e.OpenSearch.URL, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTwoApplications share the servers; deleting one leaves the other whole, and the servers that it alone used end.
func TestTwoApplications(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(room(t), "state")
	n := nativeAt(t, dir)
	mine := devAt(t, dir, t.TempDir(), whole("shop"))
	theirs := whole("other")
	theirs.Spec.Storage = nil
	other := devAt(t, dir, t.TempDir(), theirs)
	first, second := up(t, mine), up(t, other)
	exec(t, connect(t, first.Connections.DatabaseURL), noteTable)
	t.Run("Tokens", func(t *testing.T) { checkTokens(t, n, first, second) })

	put(t, first, "notes")
	put(t, second, "notes")
	for _, r := range []UpResult{first, second} {
		if err := redisClient(t, r.Endpoints.Redis).Set(t.Context(), "mine", "yes", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := mine.Destroy(t.Context(), Reports{}); err != nil {
		t.Fatal(err)
	}
	if res := up(t, other); res.Changed() {
		t.Errorf("the neighbour's deletion changes %v, drift %v", res.Changes, res.Drift)
	}
	if got := redisClient(t, second.Endpoints.Redis).Get(t.Context(), "mine").Val(); got != "yes" || !holds(t, second, "notes") {
		t.Error("the neighbour's data went too")
	}
	mustSignIn(t, demo(second))
	if left := realms(console(t, n, second.Endpoints)); strings.Join(left, " ") != "master other-local" {
		t.Errorf("realms left: %v", left)
	}
	if holds(t, first, "notes") {
		t.Error("an index is left")
	}
	if left := running(t, n); left != "keycloak opensearch postgresql postgrest-other redis-other" {
		t.Errorf("running: %s", left)
	}
	if _, err := other.Destroy(context.WithoutCancel(t.Context()), Reports{}); err != nil {
		t.Fatal(err)
	}
	if left := running(t, n); left != "" {
		t.Errorf("with no application there still run %s", left)
	}
	all := ensure(t, n, Needs{PostgreSQL: true, Keycloak: true, OpenSearch: true})
	if left := realms(console(t, n, all)); len(left) != 1 {
		t.Errorf("realms left: %v", left)
	}
	var indices []map[string]any
	if err := searchClient(t, all).Call(t.Context(), http.MethodGet, "/_cat/indices?format=json", nil, &indices); err != nil || len(indices) > 0 {
		t.Errorf("indices left: %v, %v", indices, err)
	}
}

func realms(c *testutil.Console) []string {
	var out []string
	for _, r := range c.Get("?briefRepresentation=true")["list"].([]any) {
		out = append(out, fmt.Sprint(r.(map[string]any)["realm"]))
	}
	slices.Sort(out)
	return out
}

func running(t testing.TB, n *Native) string {
	t.Helper()
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, st := range s.Services {
		names = append(names, st.Name)
	}
	return strings.Join(names, " ")
}

// TestWholeFaults breaks what an application with everything stands on, one thing after the other.
func TestWholeFaults(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(room(t), "state")
	n := nativeAt(t, dir)
	d := devAt(t, dir, t.TempDir(), whole("shop"))
	res := up(t, d)
	for _, step := range []struct {
		name string
		run  func(t *testing.T, n *Native, d *Dev, res UpResult)
	}{
		{"KilledAtRest", killedAtRest},
		{"KilledMidRun", killedMidRun},
		{"EditedByAPerson", editedByAPerson},
		{"RealmOfAPerson", realmOfAPerson},
		{"WrongPassword", wrongPassword},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(t, n, d, res) }) {
			return // what follows would only fail for the same reason
		}
	}
}

// killedAtRest: the supervisor starts them again, and their data are there.
func killedAtRest(t *testing.T, n *Native, d *Dev, res UpResult) {
	put(t, res, "notes")
	client := redisClient(t, res.Endpoints.Redis)
	if err := client.Set(t.Context(), "kept", "yes", 0).Err(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // Redis writes to disk every second
	killServices(t, n, "keycloak", "redis-shop", "opensearch")
	if again := up(t, d); again.Changed() {
		t.Errorf("after the kill %v change, drift %v", again.Changes, again.Drift)
	}
	if got := client.Get(t.Context(), "kept").Val(); got != "yes" || !holds(t, res, "notes") {
		t.Error("data are lost")
	}
	mustSignIn(t, demo(res))
}

// killedMidRun: a run during which the servers die still succeeds.
func killedMidRun(t *testing.T, n *Native, d *Dev, res UpResult) {
	app := whole("shop")
	app.Spec.Auth.RedirectPaths = []string{"/auth/callback", "/second/callback"}
	changed := devAt(t, n.state.Path, d.options.Dir, app)
	for i, delay := range []time.Duration{0, 60 * time.Millisecond, 200 * time.Millisecond} {
		run := []*Dev{changed, d}[i%2]
		done := make(chan error, 1)
		go func() {
			_, err := run.Up(t.Context(), Reports{})
			done <- err
		}()
		time.Sleep(delay)
		killServices(t, n, "keycloak", "redis-shop", "opensearch")
		if err := <-done; err != nil {
			t.Fatalf("killed after %s: %v", delay, err)
		}
		if again := up(t, run); again.Changed() {
			t.Errorf("killed after %s: the next run changes %v, drift %v", delay, again.Changes, again.Drift)
		}
	}
	up(t, d)
	mustSignIn(t, demo(res))
}

// editedByAPerson: what a person changed is shown and set back.
func editedByAPerson(t *testing.T, n *Native, d *Dev, res UpResult) {
	c := console(t, n, res.Endpoints)
	path := "shop-local/clients/" + clientID(c, "shop-local", "shop")
	admin := redisClient(t, res.Endpoints.Redis)
	for what, edit := range map[string]func(){
		"Redirect": func() { c.Edit(path, func(o map[string]any) { o["redirectUris"] = []string{"*"} }) },
		"PKCE": func() {
			c.Edit(path, func(o map[string]any) { o["attributes"].(map[string]any)["pkce.code.challenge.method"] = "" })
		},
		"Lockout":   func() { c.Edit("shop-local", func(o map[string]any) { o["bruteForceProtected"] = false }) },
		"Client":    func() { c.Must(http.MethodDelete, path, nil) },
		"Realm":     func() { c.Must(http.MethodDelete, "shop-local", nil) },
		"RedisUser": func() { admin.Do(t.Context(), "acl", "setuser", "shop", "off") },
		"NoUser":    func() { admin.Do(t.Context(), "acl", "deluser", "shop") },
	} {
		edit()
		repaired := up(t, d)
		if len(repaired.Drift) == 0 {
			t.Errorf("%s: no drift was seen", what)
		}
		if again := up(t, d); again.Changed() {
			t.Errorf("%s: the repair did not hold: %v, drift %v", what, again.Changes, again.Drift)
		}
		mustSignIn(t, demo(repaired))
		path = "shop-local/clients/" + clientID(c, "shop-local", "shop")
	}
}

// realmOfAPerson: a realm that has our name and not our mark is refused and stays as it is.
func realmOfAPerson(t *testing.T, n *Native, _ *Dev, res UpResult) {
	c := console(t, n, res.Endpoints)
	c.Must(http.MethodPost, "", map[string]any{"realm": "mine-local", "displayName": "Somebody's"})
	before := c.Get("mine-local")
	mine := deploy.Application{Name: "mine", Spec: v1alpha1.ApplicationSpec{Auth: &v1alpha1.AuthSpec{Enabled: true, RedirectPaths: []string{"/auth/callback"}}}}
	d := devAt(t, n.state.Path, t.TempDir(), mine)
	if _, err := d.Up(t.Context(), Reports{}); err == nil || !strings.Contains(err.Error(), "was made by a person") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line that says whose it is", err)
	}
	if _, err := d.Destroy(t.Context(), Reports{}); err != nil {
		t.Error(err)
	}
	after := c.Get("mine-local")
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the realm was changed from %v to %v", before, after)
	}
	c.Must(http.MethodDelete, "mine-local", nil)
}

// wrongPassword: Keycloak's administrator has another secret than the one that this machine keeps.
func wrongPassword(t *testing.T, n *Native, d *Dev, res UpResult) {
	c := console(t, n, res.Endpoints)
	c.Edit("master/clients/"+clientID(c, "master", "plattr"), func(o map[string]any) { o["secret"] = "another-secret" })
	_, err := d.Up(t.Context(), Reports{})
	checkFault(t, err, "refuses", "plattr doctor --fix")
	keycloak := service(t, n, "keycloak")
	if keycloak.State != supervisor.Ready {
		t.Fatalf("Keycloak is %s", keycloak.State)
	}
	if err := MendKeycloakLogin(t.Context(), n, keycloak.Spec); err != nil {
		t.Fatal(err)
	}
	if again := up(t, d); again.Changed() {
		t.Errorf("after the mending %v change", again.Changes)
	}
}

// TestAFullDiskOfEverything: a run fails with one clear line, and the next one after there is room finishes the job, with
// running servers and with stopped ones.
func TestAFullDiskOfEverything(t *testing.T) {
	t.Parallel()
	dir := mount(t, "300m")
	n := nativeAt(t, filepath.Join(dir, "state"))
	d := devAt(t, n.state.Path, t.TempDir(), whole("shop"))
	up(t, d)
	app := whole("shop")
	app.Spec.Auth.RedirectPaths = []string{"/second/callback"}
	changed := devAt(t, n.state.Path, d.options.Dir, app)

	free := fill(t, dir)
	_, err := changed.Up(t.Context(), Reports{})
	checkFault(t, err, "no space left", "make room")
	free()
	up(t, changed)
	if err := n.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	free = fill(t, dir)
	_, err = d.Up(t.Context(), Reports{})
	checkFault(t, err, "", "make room")
	free()
	mustSignIn(t, demo(up(t, d)))
	if again := up(t, d); again.Changed() {
		t.Errorf("then %v change, drift %v", again.Changes, again.Drift)
	}
}

// fill takes all the room of a disk.
func fill(t testing.TB, dir string) (free func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, rand.Reader); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	return func() { _ = f.Close(); _ = os.Remove(f.Name()) }
}
