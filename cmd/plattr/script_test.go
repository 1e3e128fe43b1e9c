package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/envfile"
	"plattr.dev/plattr/localdev/processes"
	"plattr.dev/plattr/localdev/programs"
)

// scripts holds the transcripts of whole runs of the program, services those
// that start real servers.
const (
	scripts        = "../../testdata/script"
	serviceScripts = "../../testdata/script/services"
)

// TestMain makes this binary plattr where a script or plattr itself starts it:
// the supervisor starts its own executable, whatever its name.
func TestMain(m *testing.M) {
	if processes.Asked(os.Args[1:]) {
		os.Exit(run(os.Args[1:]))
	}
	testscript.Main(m, map[string]func(){"plattr": main})
}

// TestScripts runs every script of the folder; each is one sentence of what
// the command line does.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, params(scripts, func(*testscript.Env) error { return nil }))
}

// TestServiceScripts runs the scripts that start PostgreSQL, PostgREST and S3,
// each on a machine of its own.
func TestServiceScripts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts servers")
	}
	for _, name := range []string{"postgresql", "postgrest", "redis", "java", "keycloak", "opensearch"} {
		_, err := programs.Find(t.Context(), name)
		testutil.Require(t, err == nil, fmt.Sprint(err))
	}
	testscript.Run(t, params(serviceScripts, machine))
}

func params(dir string, setup func(*testscript.Env) error) testscript.Params {
	return testscript.Params{
		Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true,
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("TERM", "dumb")
			env.Setenv("HOME", filepath.Join(env.WorkDir, ".home"))
			return errors.Join(readOnly(env), setup(env))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": exitCode, "request": request, "mode": mode, "hides": hides, "interrupt": interrupt,
			"token": token,
		},
	}
}

// readOnly sets READONLY to a directory that nobody can write to. Root writes
// everywhere but in /proc.
func readOnly(env *testscript.Env) error {
	if os.Geteuid() == 0 {
		env.Setenv("READONLY", "/proc")
		return nil
	}
	dir := filepath.Join(env.WorkDir, "read-only")
	env.Setenv("READONLY", dir)
	return os.Mkdir(dir, 0o555)
}

// machine gives a script a state folder of its own, and the programs of this
// machine's cache. What it started ends with the script. As root the services
// run as another user, who must be able to enter the folder.
func machine(env *testscript.Env) error {
	for dir := env.WorkDir; dir != filepath.Clean(os.TempDir()) && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	cache, err := programs.CacheDir(os.Getenv)
	if err != nil {
		return err
	}
	env.Setenv("PLATTR_CACHE_DIR", cache)
	env.Setenv("PLATTR_STATE_DIR", filepath.Join(env.WorkDir, ".state"))
	env.Setenv("PLATTR_SERVICE_USER", "nobody")
	if program, err := exec.LookPath("plattr"); err == nil { // for scripts that take everything off PATH
		env.Setenv("PLATTR", program)
	}
	env.Defer(func() {
		native, err := localdev.NewNative(context.Background(), env.Getenv)
		if err == nil {
			err = native.Destroy(context.Background())
		}
		if err != nil {
			env.T().Log("end the services: ", err)
		}
	})
	return nil
}

// exitCode runs a program and checks its exit code: status 2 plattr nonsense.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE PROGRAM ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// interrupt runs a program, sends it SIGINT after a time, and checks that it
// ends with exit code 3: interrupt 100ms plattr dev.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: interrupt AFTER PROGRAM ARGS...")
	}
	after, err := time.ParseDuration(args[0])
	ts.Check(err)
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	for attempt := 1; ; attempt++ {
		cmd := exec.Command(path, args[2:]...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = append(os.Environ(), scriptEnv(ts)...)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		ts.Check(cmd.Start())
		time.AfterFunc(time.Duration(attempt)*after, func() { _ = cmd.Process.Signal(os.Interrupt) })
		err = cmd.Wait()
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit) && exit.ExitCode() == 3:
			return
		case exit != nil && exit.ExitCode() == -1 && attempt < 5:
			continue // on a busy machine it had not begun to listen for signals
		}
		ts.Fatalf("exit code after Ctrl-C is not 3: %v\n%s", err, out.String())
	}
}

func scriptEnv(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"HOME", "TERM", "PLATTR_CACHE_DIR", "PLATTR_STATE_DIR", "PLATTR_SERVICE_USER"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// mode checks the permissions of a file: mode 0600 FILE.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode OCTAL FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%#o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// variable reads one variable of an environment file.
func variable(ts *testscript.TestScript, file, name string) string {
	vars, err := envfile.Read(ts.MkAbs(file))
	ts.Check(err)
	i := slices.IndexFunc(vars, func(v envfile.Var) bool { return v.Name == name })
	if i < 0 {
		ts.Fatalf("%s has no %s", file, name)
	}
	return vars[i].Value
}

// request asks a server that an environment file names until it answers with
// the status and the text, for at most three seconds:
// request ENVFILE VARIABLE METHOD PATH BODY STATUS TEXT. The environment variable TOKEN, where it is set, goes along.
func request(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 7 {
		ts.Fatalf("usage: request ENVFILE VARIABLE METHOD PATH BODY STATUS TEXT")
	}
	base, got := variable(ts, args[0], args[1]), ""
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequest(args[2], base+args[3], strings.NewReader(args[4]))
		ts.Check(err)
		req.Header.Set("Content-Type", "application/json")
		if token := ts.Getenv("TOKEN"); token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			got = err.Error()
			continue
		}
		body, err := io.ReadAll(res.Body)
		ts.Check(errors.Join(err, res.Body.Close()))
		if got = fmt.Sprintf("%d %s", res.StatusCode, body); strconv.Itoa(res.StatusCode) == args[5] && strings.Contains(string(body), args[6]) {
			return
		}
	}
	ts.Fatalf("%s %s%s: got %s", args[2], base, args[3], got)
}

// token signs the demo user in and keeps the access token in an environment
// variable: token ENVFILE NAME.
func token(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: token ENVFILE NAME")
	}
	of := func(name string) string { return variable(ts, args[0], name) }
	got, err := testutil.SignIn{
		Issuer: of("AUTH_ISSUER_URL"), ClientID: of("AUTH_CLIENT_ID"), ClientSecret: of("AUTH_CLIENT_SECRET"),
		RedirectURI: of("APP_URL") + "/auth/callback", User: of("AUTH_DEMO_USER"), Password: of("AUTH_DEMO_PASSWORD"),
	}.AccessToken(context.Background())
	ts.Check(err)
	ts.Setenv(args[1], got)
}

// hides checks that what the last program printed does not hold a secret, or
// the password of a URL: hides ENVFILE VARIABLE.
func hides(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hides ENVFILE VARIABLE")
	}
	password := variable(ts, args[0], args[1])
	if u, err := url.Parse(password); err == nil && u.Host != "" {
		password, _ = u.User.Password()
	}
	if len(password) < 10 {
		ts.Fatalf("%s holds no secret", args[1])
	}
	if strings.Contains(ts.ReadFile("stdout"), password) || strings.Contains(ts.ReadFile("stderr"), password) {
		ts.Fatalf("the output holds the password of %s", args[1])
	}
}
