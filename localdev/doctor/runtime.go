package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/envfile"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/supervisor"
)

// services asks the supervisor. Where it was killed and services go on, a new one is started, which adopts them.
func (d *doctor) services(ctx context.Context) {
	if d.runtime == nil {
		return
	}
	var err error
	if d.status, err = d.settled(ctx); err != nil {
		d.fail("services", err, "plattr dev")
		return
	}
	if len(d.status.Services) == 0 {
		d.ok("services", "none is running: plattr dev starts what an application needs")
		return
	}
	ready := 0
	for _, s := range d.status.Services {
		if s.State == supervisor.Ready {
			ready++
			continue
		}
		detail, status := s.Name+" is "+string(s.State), Problem
		if s.Error != "" {
			detail += ": " + s.Error
		}
		if s.State == supervisor.Starting {
			status = Warning
		}
		d.add(Finding{Check: "services", Status: status, Detail: detail, Fix: "plattr dev logs " + s.Name})
	}
	if ready > 0 {
		d.ok("services", cli.Count(ready, "service")+" ready")
	}
}

// settleTime is how long a service may be starting before it is told of: one that was just adopted is ready at once.
const settleTime = 3 * time.Second

// settled is the status once nothing is starting any more, or after settleTime.
func (d *doctor) settled(ctx context.Context) (supervisor.Status, error) {
	end := time.Now().Add(settleTime)
	for {
		s, err := d.runtime.Status(ctx)
		starting := slices.ContainsFunc(s.Services, func(one supervisor.ServiceStatus) bool { return one.State == supervisor.Starting })
		if err != nil || !starting || time.Now().After(end) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// signIn logs in to Keycloak as plattr does.
func (d *doctor) signIn(ctx context.Context) {
	for _, s := range d.status.Services {
		if s.Kind != services.Keycloak || s.State != supervisor.Ready {
			continue
		}
		err := localdev.CheckKeycloakLogin(ctx, d.runtime, s.Spec)
		if err == nil {
			d.ok("sign-in", "Keycloak knows plattr's administrator")
			return
		}
		d.add(Finding{
			Check: "sign-in", Status: Problem, Detail: err.Error(),
			Fix:  "plattr doctor --fix sets the secret of client " + services.KeycloakClient + " back, as user " + services.KeycloakAdmin,
			mend: func(ctx context.Context) error { return localdev.MendKeycloakLogin(ctx, d.runtime, s.Spec) },
		})
	}
}

// locks are taken over by the next run by themselves; nobody need wait for it.
func (d *doctor) locks(ctx context.Context) {
	if d.runtime == nil {
		return
	}
	stale, err := localdev.StaleLocks(ctx, d.runtime)
	if err != nil {
		d.fail("locks", err, "")
		return
	}
	if len(stale) == 0 {
		d.ok("locks", "no lock of a process that is gone")
		return
	}
	d.add(Finding{
		Check: "locks", Status: Warning, Detail: "locks of processes that are gone, on " + strings.Join(stale, ", "),
		Fix: "nothing need be done: the next run takes them over", mend: func(ctx context.Context) error { return localdev.FreeStaleLocks(ctx, d.runtime) },
	})
}

// copies of test runs that were killed or kept.
func (d *doctor) copies() {
	if d.runtime == nil {
		return
	}
	left, err := localdev.LeftCopies(d.runtime)
	if err != nil {
		d.fail("copies", err, "")
		return
	}
	for _, name := range left {
		app, _, _ := strings.Cut(name, "--")
		d.add(Finding{
			Check: "copies", Status: Warning, Detail: "copy " + name + " of a run of tests is still there",
			Fix: "plattr test, or plattr dev destroy, in the folder of " + app,
		})
	}
}

// applications whose folder is gone keep their data, their ports and their services.
func (d *doctor) applications() {
	for _, a := range d.apps {
		there := false
		for _, dir := range a.Dirs {
			if _, err := os.Stat(dir); err == nil {
				there = true
			}
		}
		if there {
			continue
		}
		d.add(Finding{
			Check: "applications", Status: Warning, Detail: fmt.Sprintf("%s is still here, its folder %s is not", a.Name, strings.Join(a.Dirs, ", ")),
			Fix: "in an empty folder: plattr init --yes --name " + a.Name + " --framework docker && plattr dev destroy",
		})
	}
}

// project looks at the folder of the application.
func (d *doctor) project() {
	switch {
	case d.FileError != nil:
		d.fail("project", d.FileError, "plattr validate")
		return
	case d.App == nil:
		return
	}
	d.ok("project", d.File)
	dir := filepath.Dir(d.File)
	for _, file := range []string{envfile.Path(dir, d.App.Name), envfile.SetPath(dir, d.App.Name)} {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm()&0o077 == 0 {
			continue
		}
		d.add(Finding{
			Check: "project", Status: Problem, Detail: fmt.Sprintf("%s holds passwords and can be read by others (mode %04o)", file, info.Mode().Perm()),
			Fix: "chmod 600 " + file, mend: func(context.Context) error { return os.Chmod(file, 0o600) },
		})
	}
	d.ignored(filepath.Join(dir, ".gitignore"))
}

// ignored holds that git leaves the environment files alone.
func (d *doctor) ignored(file string) {
	raw, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.fail("project", err, "")
		return
	}
	for line := range strings.Lines(string(raw)) {
		if strings.Trim(strings.TrimSpace(line), "/") == envfile.Dir {
			return
		}
	}
	d.add(Finding{
		Check: "project", Status: Warning, Detail: file + " does not name " + envfile.Dir + "/, which holds passwords",
		Fix: "add the line " + envfile.Dir + "/ to " + file,
		mend: func(context.Context) error {
			if len(raw) > 0 && !bytes.HasSuffix(raw, []byte("\n")) {
				raw = append(raw, '\n')
			}
			return os.WriteFile(file, append(raw, envfile.Dir+"/\n"...), 0o644) //nolint:gosec // a file of the project, no secret
		},
	})
}

// views that bypass row-level security show everybody everything.
func (d *doctor) views(ctx context.Context) {
	if d.Dev == nil || !d.App.RestEnabled() {
		return
	}
	for _, s := range d.status.Services {
		if s.Kind != services.PostgreSQL || s.State != supervisor.Ready {
			continue
		}
		warnings, err := d.Dev.InsecureViews(ctx)
		if err != nil {
			d.fail("project", err, "")
		}
		for _, w := range warnings {
			d.add(Finding{Check: "project", Status: Warning, Detail: w, Fix: "a migration with that statement"})
		}
	}
}
