package services

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/state"
)

// TestTable holds what the supervisor relies on for every kind that is or will be in the table.
func TestTable(t *testing.T) {
	t.Parallel()
	for kind, d := range Table() {
		if d.Title == "" || d.Main == "" || d.Prepare == nil || d.Ready == nil || len(d.Stop) == 0 {
			t.Errorf("%s: something is empty", kind)
		}
		if _, ok := ports.Preferred()[d.Main]; !ok {
			t.Errorf("%s: port %s is not in the table of ports", kind, d.Main)
		}
		if d.Data != "" && d.Order <= Table()[PostgREST].Order {
			t.Errorf("%s keeps data that others use, and is stopped before them", kind)
		}
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"postgresql": true, "postgrest-my-app": true, "": false, "..": false, ".x": false, "a/b": false, "a\x00": false,
		strings.Repeat("x", 101): false,
	} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
}

func TestSpecEqual(t *testing.T) {
	t.Parallel()
	base := func() Spec {
		return Spec{
			Name: "a", Kind: S3, App: "x", Version: "1", Program: "/p",
			Ports: map[ports.Use]int{ports.S3: 1}, Settings: map[string]string{"k": "v"},
		}
	}
	if !base().Equal(base()) {
		t.Error("a spec is not equal to itself")
	}
	for name, change := range map[string]func(*Spec){
		"Name": func(s *Spec) { s.Name = "b" }, "Kind": func(s *Spec) { s.Kind = PostgREST }, "App": func(s *Spec) { s.App = "" },
		"Version": func(s *Spec) { s.Version = "2" }, "Program": func(s *Spec) { s.Program = "/q" },
		"Ports": func(s *Spec) { s.Ports[ports.S3] = 2 }, "Settings": func(s *Spec) { s.Settings["k"] = "w" },
	} {
		s := base()
		change(&s)
		if s.Equal(base()) {
			t.Errorf("a change of %s is not seen", name)
		}
	}
}

func place(t *testing.T) Place {
	t.Helper()
	dir := t.TempDir()
	return Place{State: state.Dir{Path: dir, Run: filepath.Join(dir, "run")}, Dir: dir}
}

func TestPostgRESTsConfiguration(t *testing.T) {
	t.Parallel()
	p := place(t)
	s := Spec{
		Name: "postgrest-x", Kind: PostgREST, Program: "/bin/postgrest",
		Ports:    map[ports.Use]int{ports.PostgREST: 3001, ports.PostgRESTAdmin: 3101},
		Settings: map[string]string{"db-uri": "a\"b\\c$(HOME)\nd", "db-schemas": "x", "server-port": "1"},
	}
	cmd, err := preparePostgREST(t.Context(), p, s)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(cmd.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	want := `admin-server-port = 3101
db-pool = 10
db-prepared-statements = false
db-schemas = "x"
db-uri = "a\"b\\c$$(HOME)\nd"
log-level = "warn"
server-host = "127.0.0.1"
server-port = "1"
`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if info, err := os.Stat(cmd.Args[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	if strings.Contains(fmt.Sprint(cmd), "HOME)") {
		t.Error("the settings are in the arguments or the environment")
	}
	for _, key := range []string{"", "a b", "a=b", "a\nserver-host"} {
		s.Settings = map[string]string{key: "x"}
		if _, err := preparePostgREST(t.Context(), p, s); err == nil {
			t.Errorf("the setting %q is written", key)
		}
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	s := Spec{Ports: map[ports.Use]int{ports.PostgreSQL: 5433}}
	d := state.Dir{Run: "/a folder/run"}
	admin, err := pgx.ParseConfig(AdminURL(s, "p@ss/w:rd?"))
	if err != nil || admin.Password != "p@ss/w:rd?" || admin.User != AdminRole || admin.Host != ports.Host || admin.Port != 5433 {
		t.Errorf("the administrator's URL means %+v, %v", admin, err)
	}
	super, err := pgx.ParseConfig(BootstrapURL(d, s))
	if err != nil || super.User != superuser || super.Host != d.Run || super.Port != 5433 || super.Database != "postgres" {
		t.Errorf("the superuser's URL means %+v, %v", super, err)
	}
}

func TestClearLocks(t *testing.T) {
	t.Parallel()
	sleeper := exec.Command("sleep", "60")
	data := t.TempDir()
	sleeper.Dir = data
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sleeper.Process.Kill()
		_ = sleeper.Wait()
	})
	cases := map[string]struct {
		reason  string
		content string
		kept    bool
		err     bool
	}{
		"Dead":    {"no such process", "999999999\n/data\n", false, false},
		"Another": {"the number belongs to a process that is no server of these data", fmt.Sprintf("%d\n", os.Getpid()), false, false},
		"Running": {"a server that uses the data is never forgotten", fmt.Sprintf("%d\n", sleeper.Process.Pid), true, true},
		"Broken":  {"what is no lock file is PostgreSQL's to judge", "x", true, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := t.TempDir()
			for _, file := range []string{filepath.Join(run, "postmaster.pid"), filepath.Join(run, ".s.PGSQL.5432.lock")} {
				if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
					t.Fatal(err)
				}
				err := clearLock(file, data)
				if (err != nil) != tc.err {
					t.Errorf("clearLock() = %v: %s", err, tc.reason)
				}
				if _, err := os.Stat(file); (err == nil) != tc.kept {
					t.Errorf("the file: %v: %s", err, tc.reason)
				}
			}
		})
	}
}

func TestInitdbTellsTheCause(t *testing.T) {
	t.Parallel()
	got := tail("creating directory\nFATAL:  could not write: No space left on device\nchild process exited\ninitdb: removing data directory\n")
	if !strings.Contains(got, "No space left") {
		t.Errorf("tail() = %q", got)
	}
	if tail("\n") != "" {
		t.Error("nothing becomes something")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "initdb")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho initdb: error: it is late >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := initdb(context.Background(), filepath.Join(dir, "17"), program, dir)
	if err == nil || !strings.Contains(err.Error(), "it is late") {
		t.Errorf("initdb() = %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "17")); len(left) > 0 {
		t.Error("data of an initdb that did not end well are taken for whole")
	}
}
