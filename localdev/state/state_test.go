package state

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"plattr.dev/plattr/localdev/state/statetest"
)

func open(t *testing.T) Dir {
	t.Helper()
	d, err := Open(t.Context(), statetest.Env(filepath.Join(statetest.Room(t), "state")))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOpen(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, path := range []string{d.Path, d.Run} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, %v; want 0700", path, info.Mode(), err)
		}
	}
	if _, err := Open(t.Context(), statetest.Env(d.Path)); err != nil {
		t.Errorf("second Open: %v", err)
	}
	if err := d.WriteFile("x", []byte("y")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(d.Join("x")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a file has mode %v, %v; want 0600", info.Mode(), err)
	}
	if err := d.Destroy(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.Path); !os.IsNotExist(err) {
		t.Errorf("after Destroy: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		make   func(t *testing.T, dir string)
		want   string
	}{
		"OtherFiles": {
			"Destroy must never delete what is not plattr's",
			func(t *testing.T, dir string) {
				t.Helper()
				if err := os.Mkdir(dir, 0o755); err != nil { // somebody's folder
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}, "not plattr's",
		},
		"File": {"a file is in the way", func(t *testing.T, dir string) {
			t.Helper()
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a directory"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(statetest.Room(t), "state")
			tc.make(t, dir)
			_, err := Open(t.Context(), statetest.Env(dir))
			var folder *FolderError
			if !errors.As(err, &folder) || !strings.Contains(err.Error(), tc.want) || folder.Hint() == "" {
				t.Errorf("Open() = %v, want %q: %s", err, tc.want, tc.reason)
			}
		})
	}
}

func TestOpenNamesTheFolderThatCannotBeEntered(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root's services run as another user")
	}
	closed := filepath.Join(statetest.Room(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), statetest.Env(filepath.Join(closed, "state")))
	if err == nil || !strings.Contains(err.Error(), "nobody") || !strings.Contains(err.Error(), closed) {
		t.Errorf("Open() = %v, want the user and the folder", err)
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		env    map[string]string
		root   bool
		want   string
	}{
		"Setting": {"the setting comes first", map[string]string{"PLATTR_STATE_DIR": "/s", "HOME": "/h"}, true, "/s"},
		"Root":    {"services run as another user, who may not enter root's home", map[string]string{"HOME": "/root"}, true, "/var/lib/plattr"},
		"XDG":     {"where people keep state", map[string]string{"XDG_STATE_HOME": "/x", "HOME": "/h"}, false, "/x/plattr"},
		"BadXDG":  {"a relative path is ignored, as the specification says", map[string]string{"XDG_STATE_HOME": "x", "HOME": "/h"}, false, "/h/.local/state/plattr"},
		"Home":    {"else below home", map[string]string{"HOME": "/h"}, false, "/h/.local/state/plattr"},
		"Nothing": {"without a home there is no place", nil, false, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := pathOf(func(k string) string { return tc.env[k] }, tc.root)
			if got != tc.want || (err != nil) != (tc.want == "") {
				t.Errorf("pathOf() = %q, %v, want %q: %s", got, err, tc.want, tc.reason)
			}
			var folder *FolderError
			if err != nil && (!errors.As(err, &folder) || !strings.Contains(err.Error(), "HOME") || folder.Hint() == "") {
				t.Errorf("the error %v does not name HOME and a next step", err)
			}
		})
	}
}

func TestRunDirFitsASocket(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("x", 200)
	for _, path := range []string{"/home/a/.local/state/plattr", long} {
		if run := runDir(path, 1000); len(run) > maxSocket {
			t.Errorf("runDir(%q) = %q has %d bytes", path, run, len(run))
		}
	}
	if runDir(long, 1) == runDir(long+"y", 1) || runDir(long, 1) == runDir(long, 2) {
		t.Error("two state folders share a folder for sockets")
	}
}

func TestSecretsAreMadeOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	got := make([]Secrets, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			s, err := d.Secrets(t.Context())
			if err != nil {
				t.Error(err)
			}
			got[i] = s
		})
	}
	wg.Wait()
	for _, s := range got {
		if s != got[0] || !s.complete() || s.DatabaseAdmin == s.S3SecretKey || len(s.S3AccessKey) != 20 {
			t.Fatal("the secrets differ between calls, or are too few")
		}
	}
}

func repository(t *testing.T, remote string) string {
	t.Helper()
	dir := t.TempDir()
	for _, args := range [][]string{{"init", "-q", dir}, {"-C", dir, "remote", "add", "origin", remote}} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git: %v: %s", err, out)
		}
	}
	return dir
}

func TestClaim(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Now()
	d := open(t)
	one, two := t.TempDir(), t.TempDir()
	if err := d.Claim(ctx, "shop", one, now); err != nil {
		t.Fatal(err)
	}
	if err := d.Claim(ctx, "shop", one, now); err != nil {
		t.Errorf("the same directory again: %v", err)
	}
	var taken *NameTakenError
	if err := d.Claim(ctx, "shop", two, now); !errors.As(err, &taken) || taken.Other != one {
		t.Errorf("another directory: %v, want the first one named", err)
	}
	a, b := repository(t, "git@example.dev:org/board.git"), repository(t, "https://example.dev/org/board")
	other := repository(t, "https://example.dev/org/other")
	if err := errors.Join(d.Claim(ctx, "board", a, now), d.Claim(ctx, "board", b, now)); err != nil {
		t.Errorf("two clones of one repository: %v", err)
	}
	if err := d.Claim(ctx, "board", other, now); !errors.As(err, &taken) {
		t.Errorf("another repository: %v", err)
	}
	gone := filepath.Join(t.TempDir(), "gone")
	if err := errors.Join(d.Claim(ctx, "moved", gone, now), d.Claim(ctx, "moved", two, now)); err != nil {
		t.Errorf("a directory that is gone still holds the name: %v", err)
	}
	if err := errors.Join(d.Forget(ctx, "shop"), d.Forget(ctx, "shop"), d.Claim(ctx, "shop", two, now)); err != nil {
		t.Errorf("a name that was given up: %v", err)
	}
}

func TestNormalRemote(t *testing.T) {
	t.Parallel()
	for _, remote := range []string{
		"git@Example.dev:a/b.git", "ssh://git@example.dev/a/b.git", "ssh://git@example.dev:2222/a/b", "https://example.dev/a/b",
		"https://user:token@example.dev/a/b.git/", "example.dev:a/b",
	} {
		if got := normalRemote(strings.TrimSuffix(remote, "/")); got != "example.dev/a/b" {
			t.Errorf("normalRemote(%q) = %q", remote, got)
		}
	}
	if got := normalRemote("/srv/git/b.git"); got != "/srv/git/b.git" {
		t.Errorf("a path becomes %q", got)
	}
}
