package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The secrets that a user plants.
const (
	plantedEnv  = "planted-in-env-5a8e1c"
	plantedSet  = "planted-by-env-set-90bb3f"
	plantedSeed = "planted-in-seeds-c41d77"
	// plantedProvider is what an identity provider gave the user.
	plantedProvider = "planted-idp-secret-7e20d9"
)

const tainted = `name: shop
framework: docker
database: {enabled: true, rest: {enabled: true, anonAccess: read}}
storage: {enabled: true, buckets: [{name: uploads}]}
auth: {enabled: true, providers: [github]}
redis: {enabled: true}
search: {enabled: true}
env: {API_TOKEN: ` + plantedEnv + `}
`

// TestSecretsStayIn plants secrets wherever a user can, lets plattr make its own, runs every command that meets them,
// also ones that fail, and looks for them where they must never be: output, logs, state, arguments of processes, files
// that others can read.
func TestSecretsStayIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.app.write(tainted)
	w.app.file("migrations/001_account.sql", "create table account (token text primary key);\n")
	w.app.file("seeds/accounts.sql", "insert into account values ('"+plantedSeed+"');\n")
	w.app.file("package.json", `{"scripts": {"test": "node -e 0"}}`)
	arguments := watchArguments(t)

	var out bytes.Buffer
	run := func(args ...string) {
		cmd := w.app.command(t.Context(), args...)
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run() // some fail, on purpose
	}
	run("dev", "-v")
	run("env", "set", "OTHER_TOKEN="+plantedSet) // the one place where a user types a secret as an argument
	arguments.forget(plantedSet)
	run("dev", "-v", "-o", "json")
	run("env", "list")
	run("db", "migrate", "-v")
	run("db", "seed", "-v")
	run("db", "seed", "-v") // fails: the key is there, and the server quotes it
	run("db", "reset", "--yes", "-v")
	run("db", "rotate", "-v")
	run("db", "connect")
	run("dev", "status", "-o", "json")
	token := w.callWithToken()
	run("redis", "reset", "--yes", "-v")
	run("search", "reset", "--yes", "-v")
	run("test", "-v")
	run("doctor")
	run("doctor", "-o", "json")
	for _, service := range []string{"", "supervisor", "keycloak", "opensearch", "redis-shop", "postgrest-shop", "postgresql", "s3"} {
		run(slices.DeleteFunc([]string{"dev", "logs", service}, func(arg string) bool { return arg == "" })...)
	}
	run("config", "show", "--env", "production")

	secrets := w.secrets()
	secrets["a token"] = token
	secrets["a token's signature"] = token[strings.LastIndexByte(token, '.')+1:]
	// Two may be there: what a person wrote into the project's file, which config show shows, and once, when the demo user is
	// made, its password.
	allowed := map[string]int{"API_TOKEN": math.MaxInt, "AUTH_DEMO_PASSWORD": 1}
	for name, secret := range secrets {
		if bytes.Count(out.Bytes(), []byte(secret)) > allowed[name] {
			t.Errorf("%s is in the output:\n%s", name, around(out.String(), secret))
		}
		if arguments.seen(secret) {
			t.Errorf("%s is in the arguments of a process", name)
		}
	}
	w.checkFiles(secrets)
}

// file writes a file of the project.
func (p *project) file(name, text string) {
	p.world.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		p.world.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.world.t.Fatal(err)
	}
}

// callWithToken asks the REST API as the demo user, once with a good token, once with a broken one, and returns the token.
func (w *world) callWithToken() string {
	w.t.Helper()
	vars := w.app.variables("shop")
	form := url.Values{
		"grant_type": {"password"}, "client_id": {vars["AUTH_CLIENT_ID"]}, "client_secret": {vars["AUTH_CLIENT_SECRET"]},
		"username": {vars["AUTH_DEMO_USER"]}, "password": {vars["AUTH_DEMO_PASSWORD"]},
	}
	resp, err := http.PostForm(vars["AUTH_INTERNAL_URL"]+"/protocol/openid-connect/token", form)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		w.t.Fatalf("no token: %s, %v", resp.Status, err)
	}
	for token, want := range map[string]int{
		answer.AccessToken: http.StatusOK, answer.AccessToken + "x": http.StatusUnauthorized,
	} {
		req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, vars["POSTGREST_URL"]+"/account", nil)
		if err != nil {
			w.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			w.t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			w.t.Errorf("the REST API answers %s, not %d", resp.Status, want)
		}
	}
	return answer.AccessToken
}

// secrets are the planted ones and those that plattr made, by a name for messages.
func (w *world) secrets() map[string]string {
	w.t.Helper()
	secrets := map[string]string{
		"OTHER_TOKEN": plantedSet, "API_TOKEN": plantedEnv, "seed": plantedSeed, "provider": plantedProvider,
	}
	for name, value := range w.app.variables("shop") {
		switch name {
		case "S3_SECRET_KEY", "AUTH_CLIENT_SECRET", "AUTH_DEMO_PASSWORD":
			secrets[name] = value
		case "DATABASE_URL", "REDIS_URL":
			u, err := url.Parse(value)
			if err != nil {
				w.t.Fatal(name + " is no URL")
			}
			secrets[name], _ = u.User.Password()
		}
	}
	if len(secrets) != 9 {
		w.t.Fatalf("the environment file has only some of the secrets: %v", slices.Sorted(maps.Keys(secrets)))
	}
	raw, err := os.ReadFile(filepath.Join(w.state, "secrets.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	own := map[string]string{}
	if err := json.Unmarshal(raw, &own); err != nil {
		w.t.Fatal(err)
	}
	for name, secret := range own {
		if !strings.Contains(strings.ToLower(name), "accesskey") {
			secrets["secrets.json "+name] = secret
		}
	}
	for name, secret := range secrets {
		if len(secret) < 12 {
			w.t.Fatalf("%s is too short to be looked for: was there a rotation?", name)
		}
	}
	return secrets
}

// checkFiles holds that state and logs have no secret in clear, and no file has one that others can read.
func (w *world) checkFiles(secrets map[string]string) {
	w.t.Helper()
	for _, root := range []string{w.state, w.app.dir} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			inner, _ := filepath.Rel(w.state, path)
			plain := strings.HasPrefix(inner, "pulumi"+string(filepath.Separator)) || strings.HasSuffix(path, ".log")
			if !plain && info.Mode().Perm()&0o004 == 0 {
				return nil
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for name, secret := range secrets {
				if bytes.Contains(raw, []byte(secret)) {
					w.t.Errorf("%s is in %s (%s):\n%s", name, path, info.Mode(), around(string(raw), secret))
				}
			}
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// around is the place where a secret was found, without the secret.
func around(text, secret string) string {
	i := strings.Index(text, secret)
	return text[max(0, i-200):i] + "[here]" + text[min(len(text), i+len(secret)):min(len(text), i+len(secret)+80)]
}

// arguments collects what every process of the machine was started with, as everybody can read it.
type arguments struct {
	mu       sync.Mutex
	all      map[string]bool
	excepted []string
}

func watchArguments(t *testing.T) *arguments {
	t.Helper()
	a := &arguments{all: map[string]bool{}}
	if runtime.GOOS != "linux" {
		return a
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			a.look()
			time.Sleep(3 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return a
}

func (a *arguments) look() {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, line := range lines {
		raw, err := os.ReadFile(line)
		if err != nil || len(raw) == 0 {
			continue
		}
		a.mu.Lock()
		a.all[string(raw)] = true
		a.mu.Unlock()
	}
}

// forget excepts a secret that the user typed as an argument.
func (a *arguments) forget(secret string) { a.excepted = append(a.excepted, secret) }

func (a *arguments) seen(secret string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.Contains(a.excepted, secret) {
		return false
	}
	for line := range a.all {
		if strings.Contains(line, secret) {
			return true
		}
	}
	return false
}
