package state

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// App is an application of this machine.
type App struct {
	Name   string    `json:"name"`
	Dirs   []string  `json:"dirs"`             // where its plattr.yaml was found, the first one first
	Remote string    `json:"remote,omitempty"` // its git remote, in one spelling
	Since  time.Time `json:"since"`
	// Uses are the services that serve it; nil: nobody has said yet.
	Uses []string `json:"uses,omitempty"`
}

const appsFile = "apps.json"

// NameTakenError says that another directory has an application of this name.
type NameTakenError struct{ Name, Dir, Other string }

func (e *NameTakenError) Error() string {
	return fmt.Sprintf("application %s of this machine lives in %s: %s is another one with the same name", e.Name, e.Other, e.Dir)
}

// Hint is the next step.
func (e *NameTakenError) Hint() string {
	return "change name in one of the two plattr.yaml, or run plattr dev destroy in " + e.Other
}

// Claim records that the application name lives in dir, an absolute path. Two directories are one application only if
// they have the same git remote; else the second gets a *NameTakenError. A directory that is gone holds no name.
func (d Dir) Claim(ctx context.Context, name, dir string, now time.Time) error {
	apps, err := d.Apps()
	if err != nil {
		return err
	}
	if i := index(apps, name); i >= 0 && slices.Contains(apps[i].Dirs, dir) {
		return nil
	}
	release, err := d.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	if apps, err = d.Apps(); err != nil {
		return err
	}
	remote := Repository(ctx, dir)
	i := index(apps, name)
	if i < 0 {
		apps = append(apps, App{Name: name, Dirs: []string{dir}, Remote: remote, Since: now.UTC()})
		return d.WriteJSON(appsFile, apps)
	}
	a := &apps[i]
	if slices.Contains(a.Dirs, dir) {
		return nil
	}
	a.Dirs = slices.DeleteFunc(a.Dirs, func(other string) bool {
		_, err := os.Stat(other)
		return os.IsNotExist(err)
	})
	if len(a.Dirs) > 0 && (remote == "" || remote != a.Remote) {
		return &NameTakenError{Name: name, Dir: dir, Other: a.Dirs[0]}
	}
	a.Dirs, a.Remote = append(a.Dirs, dir), remote
	return d.WriteJSON(appsFile, apps)
}

// Use records which services serve an application that has claimed its name.
func (d Dir) Use(ctx context.Context, name string, services []string) error {
	services = slices.Sorted(slices.Values(append([]string{}, services...)))
	apps, err := d.Apps()
	if err != nil {
		return err
	}
	if i := index(apps, name); i >= 0 && apps[i].Uses != nil && slices.Equal(apps[i].Uses, services) {
		return nil
	}
	release, err := d.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	if apps, err = d.Apps(); err != nil {
		return err
	}
	i := index(apps, name)
	if i < 0 {
		return fmt.Errorf("application %s is not on this machine any more", name)
	}
	apps[i].Uses = services
	return d.WriteJSON(appsFile, apps)
}

// Forget removes an application from the list.
func (d Dir) Forget(ctx context.Context, name string) error {
	release, err := d.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	apps, err := d.Apps()
	if err != nil {
		return err
	}
	i := index(apps, name)
	if i < 0 {
		return nil
	}
	return d.WriteJSON(appsFile, slices.Delete(apps, i, i+1))
}

// Apps lists the applications of this machine.
func (d Dir) Apps() ([]App, error) {
	var apps []App
	err := d.ReadJSON(appsFile, &apps)
	return apps, err
}

func index(apps []App, name string) int {
	return slices.IndexFunc(apps, func(a App) bool { return a.Name == name })
}

// Repository returns the remote of the repository that holds dir, in one spelling for all protocols, and the place of
// dir in it; "" if there is none or no git. Two clones of one have the same.
func Repository(ctx context.Context, dir string) string {
	git := func(args ...string) string {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	remote := git("remote", "get-url", "origin")
	if remote == "" {
		return ""
	}
	return normalRemote(remote) + "//" + git("rev-parse", "--show-prefix")
}

// normalRemote spells git@host:a/b.git, ssh://git@host/a/b and https://user@host/a/b.git all as host/a/b.
func normalRemote(remote string) string {
	if filepath.IsAbs(remote) {
		return filepath.Clean(remote)
	}
	s := remote
	scheme, rest, hasScheme := strings.Cut(s, "://")
	if hasScheme {
		s = rest
		if scheme == "file" {
			return filepath.Clean(s)
		}
	}
	if user, rest, ok := strings.Cut(s, "@"); ok && !strings.Contains(user, "/") {
		s = rest
	}
	host, path, _ := strings.Cut(s, "/")
	if name, first, ok := strings.Cut(host, ":"); ok {
		host = name
		if !hasScheme { // host:path; with a scheme it is a port
			path = strings.Trim(first+"/"+path, "/")
		}
	}
	path = strings.TrimSuffix(strings.TrimSuffix(path, "/"), ".git")
	return strings.ToLower(host) + "/" + path
}
