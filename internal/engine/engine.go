// Package engine runs Pulumi programs of this process on stacks. The engine is linked into the process: there is no
// CLI, no plugin and no gRPC to providers, and a run that changes nothing takes milliseconds. Given the path of a stock
// CLI, the same operations go through the Automation API instead, on the same stacks.
//
// It is the only package that imports Pulumi's pkg/v3 and auto. The parts are packages of their own: linked runs the
// engine, state keeps the stacks, lock and secret guard them, and command answers the Automation API's calls.
package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/engine/linked"
	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/secret"
	"plattr.dev/plattr/internal/engine/state"
	"plattr.dev/plattr/internal/engine/store/s3"
)

// PulumiVariable names the environment variable with the path of a stock Pulumi CLI; see [Options.Pulumi].
const PulumiVariable = "PLATTR_PULUMI"

// Options say where stacks are kept and who works on them.
type Options struct {
	// Project is the Pulumi project of every stack.
	Project string
	// StateURL is file:///directory, s3://bucket/prefix?region=...&endpoint=... or postgres://user:password@host/database.
	// A directory is made when absent, readable by its owner only; a bucket and a database must exist, and are not
	// asked before the first operation.
	StateURL string
	// S3 is the access key of an s3:// state; empty means the AWS SDK's usual sources.
	S3 S3Credentials
	// KeyFile holds the passphrase of the stacks' secrets; empty means "key" in the state directory. When absent it is
	// made with a random key, mode 0600. It is for a directory only.
	KeyFile string
	// Passphrase replaces KeyFile, and is required for any other state than a directory. Nothing derived from it is kept
	// on disk, which costs 150 ms per process.
	Passphrase func() (string, error)
	// Owner is shown to whoever finds a stack locked, for example "plattr dev". Empty means "plattr".
	Owner string
	// Providers maps a package to what makes an instance of its provider; nil means the embedded ones.
	Providers map[string]func() plugin.Provider
	// Pulumi is the path of a stock Pulumi CLI that is used instead of the linked engine. Nil means the value of
	// PLATTR_PULUMI, a pointer to the empty string the linked engine.
	Pulumi *string
}

// S3Credentials are an access key.
type S3Credentials = s3.Credentials

// Engine runs programs. It is safe for concurrent use.
type Engine struct {
	project string
	state   *state.Stacks
	linked  *linked.Runner
	runner  runner
}

// runner does one run: the linked engine or the stock CLI.
type runner interface {
	run(ctx context.Context, op operation, emit func(Event)) (Result, error)
}

// operation is one run on one stack.
type operation struct {
	verb    verb
	ref     state.Ref
	program pulumi.RunFunc
	options RunOptions
}

type verb string

const (
	verbUp      verb = "up"
	verbPreview verb = "preview"
	verbDestroy verb = "destroy"
	verbRefresh verb = "refresh"
)

// New opens the state. No server is asked and no key is read before it is needed.
func New(o Options) (*Engine, error) {
	if _, err := state.ParseRef(o.Project, "x"); err != nil {
		return nil, err
	}
	stacks, err := state.Open(o.StateURL, state.Options{S3: o.S3})
	if err != nil {
		return nil, err
	}
	keys, err := o.keyring(stacks.Root())
	if err != nil {
		return nil, err
	}
	if o.Owner == "" {
		o.Owner = "plattr"
	}
	providers := maps.Clone(o.Providers)
	if providers == nil {
		providers = Providers()
	}
	l := &linked.Runner{State: stacks, Keys: keys, Providers: providers, Owner: o.Owner}
	e := &Engine{project: o.Project, state: stacks, linked: l, runner: &linkedRunner{runner: l}}
	cli := os.Getenv(PulumiVariable)
	if o.Pulumi != nil {
		cli = *o.Pulumi
	}
	if cli != "" {
		e.runner = &stockRunner{cli: cli, state: stacks, owner: o.Owner, keys: keys, providers: providers}
	}
	return e, nil
}

// keyring opens the secrets of stacks in a directory, or elsewhere: there a key that lies on one host would be lost for all
// others.
func (o Options) keyring(dir string) (*secret.Keyring, error) {
	switch {
	case o.Passphrase != nil:
		return secret.New(o.Passphrase), nil
	case dir == "":
		return nil, errors.New("state: a state outside of a directory needs a passphrase: set PLATTR_STATE_PASSPHRASE, " +
			"or state.passphrase in the platform file")
	case o.KeyFile != "":
		return secret.FromFile(o.KeyFile), nil
	}
	return secret.FromFile(filepath.Join(dir, "key")), nil
}

// Close ends the connections to the state. The engine may be used again.
func (e *Engine) Close() { e.state.Close() }

// FileURL returns a directory as a state URL.
func FileURL(dir string) string { return (&url.URL{Scheme: "file", Path: dir}).String() }

// RunOptions change one run.
type RunOptions struct {
	// Refresh reads every resource first, in parallel, so that what was deleted or changed outside is seen and repaired.
	Refresh bool
	// Events gets what happens, in order. The engine never waits for the reader; what was not read a second after the
	// run has ended is dropped. The channel is not closed.
	Events chan<- Event
	// Remove deletes the stack with its history after a Destroy that succeeded.
	Remove bool
	// Message is kept in the history.
	Message string
}

// Up creates and updates what the program declares, and deletes what it does not declare any more. A stack that does
// not exist is made.
func (e *Engine) Up(ctx context.Context, stack string, program pulumi.RunFunc, o RunOptions) (Result, error) {
	return e.run(ctx, verbUp, stack, program, o)
}

// Preview says what Up would do, and does nothing. It takes no lock.
func (e *Engine) Preview(ctx context.Context, stack string, program pulumi.RunFunc, o RunOptions) (Result, error) {
	return e.run(ctx, verbPreview, stack, program, o)
}

// Destroy deletes every resource of the stack and, with [RunOptions.Remove], the stack itself.
func (e *Engine) Destroy(ctx context.Context, stack string, o RunOptions) (Result, error) {
	res, err := e.run(ctx, verbDestroy, stack, nil, o)
	if err != nil || !o.Remove {
		return res, err
	}
	return res, e.Remove(ctx, stack)
}

// Refresh reads every resource into the state, and reports drift.
func (e *Engine) Refresh(ctx context.Context, stack string, o RunOptions) (Result, error) {
	return e.run(ctx, verbRefresh, stack, nil, o)
}

func (e *Engine) run(ctx context.Context, v verb, stack string, program pulumi.RunFunc, o RunOptions) (Result, error) {
	ref, err := state.ParseRef(e.project, stack)
	if err != nil {
		return Result{}, err
	}
	if v == verbDestroy || v == verbRefresh {
		if err := e.mustExist(ctx, ref); err != nil {
			return Result{}, err
		}
	}
	queue := newQueue(o.Events)
	defer queue.close()
	start := time.Now()
	res, err := e.runner.run(ctx, operation{verb: v, ref: ref, program: program, options: o}, queue.add)
	res.Duration = time.Since(start)
	return res, e.explain(ctx, ref, err)
}

// explain gives an error its sentinel and says what was attempted.
func (e *Engine) explain(ctx context.Context, ref state.Ref, err error) error {
	if err == nil {
		return nil
	}
	var held *lock.HeldError
	if errors.As(err, &held) {
		h := held.Holder
		return &LockedError{Stack: ref.Stack, Owner: h.Owner, Host: h.Host, PID: h.PID, Since: h.Since}
	}
	return fmt.Errorf("stack %s: %w", ref.Stack, known(ctx, err))
}

func (e *Engine) mustExist(ctx context.Context, ref state.Ref) error {
	ok, err := e.state.Exists(ctx, ref)
	if err == nil && !ok {
		err = fmt.Errorf("stack %s: %w", ref.Stack, ErrStackNotFound)
	}
	return err
}
