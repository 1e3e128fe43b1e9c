// Package doctor looks at a machine on which `plattr dev` should work: what is missing, in the way or left behind, and
// what mends it. Looking changes nothing; the mending that is safe is done only when asked for.
package doctor

import (
	"context"
	"errors"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/state"
	"plattr.dev/plattr/localdev/supervisor"
)

// Status is how bad a finding is.
type Status string

// The statuses of findings. A warning does not keep plattr from working.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Problem Status = "problem"
)

// Finding is one thing that was looked at.
type Finding struct {
	// Check is the group that it belongs to, as machine or ports.
	Check  string `json:"check"`
	Status Status `json:"status"`
	Detail string `json:"detail"`
	// Fix is what mends it: a command, or what to do. Empty where nothing is wrong.
	Fix string `json:"fix,omitempty"`
	// Safe says that Examination.Fix does it. Fixed says that it did.
	Safe  bool `json:"safe,omitempty"`
	Fixed bool `json:"fixed,omitempty"`

	mend func(ctx context.Context) error
}

// Options say what is examined.
type Options struct {
	Getenv func(string) string
	// File is the path of the application's file; empty: none. App is what it says; nil where it cannot be read, and
	// FileError says why.
	File      string
	App       *config.App
	FileError error
	// Dev is the application on this machine; nil without one.
	Dev *localdev.Dev
}

// Examination is what was found.
type Examination struct{ Findings []Finding }

// Examine looks at everything.
func Examine(ctx context.Context, o Options) Examination {
	d := &doctor{Options: o}
	d.machine()
	d.localhost(ctx)
	d.stateFolder(ctx)
	d.cacheFolder()
	if !d.cluster(ctx) {
		d.programs(ctx)
	}
	d.ports()
	d.services(ctx)
	d.memory()
	d.signIn(ctx)
	d.locks(ctx)
	d.copies()
	d.applications()
	d.project()
	d.views(ctx)
	return Examination{Findings: d.findings}
}

// Healthy tells whether there is no problem, or none is left.
func (e Examination) Healthy() bool {
	for _, f := range e.Findings {
		if f.Status == Problem && !f.Fixed {
			return false
		}
	}
	return true
}

// Fix does what is safe, and says which findings it mended. The error joins what failed.
func (e Examination) Fix(ctx context.Context) error {
	var errs []error
	for i := range e.Findings {
		f := &e.Findings[i]
		if f.mend == nil {
			continue
		}
		err := f.mend(ctx)
		f.Fixed = err == nil
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// doctor is one examination.
type doctor struct {
	Options
	findings []Finding

	// runtime is nil where the state folder cannot be used; then what depends on it is left out.
	runtime localdev.Runtime
	status  supervisor.Status
	apps    []state.App
}

func (d *doctor) add(f Finding) {
	f.Safe = f.mend != nil
	d.findings = append(d.findings, f)
}

func (d *doctor) ok(check, detail string) { d.add(Finding{Check: check, Status: OK, Detail: detail}) }

// fail adds an error with its own next step, if it has one.
func (d *doctor) fail(check string, err error, fix string) {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		fix = hinted.Hint()
	}
	d.add(Finding{Check: check, Status: Problem, Detail: err.Error(), Fix: fix})
}
