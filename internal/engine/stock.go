package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"plattr.dev/plattr/internal/engine/secret"
	"plattr.dev/plattr/internal/engine/state"
)

// stockRunner runs a stock CLI through the Automation API, with the providers of this process attached.
type stockRunner struct {
	cli       string
	state     *state.Stacks
	owner     string
	keys      *secret.Keyring
	providers map[string]func() plugin.Provider
}

func (r *stockRunner) run(ctx context.Context, op operation, emit func(Event)) (res Result, err error) {
	if op.verb != verbPreview {
		// Our locks of dead processes mean nothing to the CLI: they are removed before it looks.
		if err := r.state.Check(ctx, op.ref, r.owner); err != nil {
			return res, err
		}
	}
	providers, attach, err := serve(r.providers)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, providers.close()) }()
	home, err := os.MkdirTemp("", "plattr-pulumi-*")
	if err != nil {
		return res, fmt.Errorf("run %s: %w", r.cli, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	s, err := r.stack(ctx, op, home, attach)
	if err != nil {
		return res, r.hide(err)
	}
	t := newTranslator(emit)
	runErr := t.follow(func(stream chan<- events.EngineEvent) error {
		var err error
		res.Outputs, err = operate(ctx, s, op, stream)
		return err
	})
	res.Changes, res.Drift = t.changes, t.drift
	return res, r.hide(t.failure(nil, runErr))
}

// hide takes the state's password out of what the CLI says. The error's kind is kept, its text is not.
func (r *stockRunner) hide(err error) error {
	if err == nil {
		return nil
	}
	if text := r.state.Hide(err.Error()); text != err.Error() {
		return classified{sentinel: lookUp(text), error: errors.New(text)}
	}
	return err
}

// stack opens the stack in a workspace of its own. The passphrase reaches the CLI in a file.
func (r *stockRunner) stack(ctx context.Context, op operation, home, attach string) (auto.Stack, error) {
	phrase, err := r.keys.Passphrase()
	if err != nil {
		return auto.Stack{}, err
	}
	phraseFile := filepath.Join(home, "passphrase")
	if err := os.WriteFile(phraseFile, []byte(phrase), 0o600); err != nil {
		return auto.Stack{}, fmt.Errorf("run %s: %w", r.cli, err)
	}
	work := filepath.Join(home, "work") // the Automation API would leave one of its own behind
	if err := os.Mkdir(work, 0o700); err != nil {
		return auto.Stack{}, fmt.Errorf("run %s: %w", r.cli, err)
	}
	open := auto.UpsertStackInlineSource
	if op.verb == verbDestroy || op.verb == verbRefresh {
		open = auto.SelectStackInlineSource
	}
	env := map[string]string{
		"PULUMI_BACKEND_URL": r.state.URL(), "PULUMI_CONFIG_PASSPHRASE_FILE": phraseFile,
		"PULUMI_DEBUG_PROVIDERS": attach, "PULUMI_SKIP_UPDATE_CHECK": "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
	}
	maps.Copy(env, r.state.Environment())
	project := workspace.Project{
		Name: tokens.PackageName(op.ref.Project), Runtime: workspace.NewProjectRuntimeInfo("go", nil),
	}
	if r.state.Root() != "" { // another URL may hold a password, and the project becomes a file
		project.Backend = &workspace.ProjectBackend{URL: r.state.URL()}
	}
	s, err := open(ctx, op.ref.Stack, op.ref.Project, op.program,
		auto.Pulumi(cliCommand{path: r.cli}),
		auto.PulumiHome(home),
		auto.WorkDir(work),
		auto.Project(project),
		auto.SecretsProvider("passphrase"),
		auto.EnvVars(env))
	if err != nil {
		return auto.Stack{}, fmt.Errorf("run %s: %w", r.cli, err)
	}
	return s, nil
}

// operate does the operation. Outputs are nil after a preview.
func operate(ctx context.Context, s auto.Stack, op operation, stream chan<- events.EngineEvent) (map[string]Output, error) {
	o := op.options
	var values auto.OutputMap
	var err error
	switch op.verb {
	case verbPreview:
		opts := []optpreview.Option{optpreview.EventStreams(stream), optpreview.Message(o.Message)}
		if o.Refresh {
			opts = append(opts, optpreview.Refresh())
		}
		_, err = s.Preview(ctx, opts...)
	case verbUp:
		opts := []optup.Option{optup.EventStreams(stream), optup.Message(o.Message)}
		if o.Refresh {
			opts = append(opts, optup.Refresh())
		}
		var res auto.UpResult
		res, err = s.Up(ctx, opts...)
		values = res.Outputs
	case verbDestroy:
		opts := []optdestroy.Option{optdestroy.EventStreams(stream), optdestroy.Message(o.Message)}
		if o.Refresh {
			opts = append(opts, optdestroy.Refresh())
		}
		_, err = s.Destroy(ctx, opts...)
		values = auto.OutputMap{}
	case verbRefresh:
		if _, err = s.Refresh(ctx, optrefresh.EventStreams(stream), optrefresh.Message(o.Message)); err == nil {
			values, err = s.Outputs(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("pulumi %s: %w", op.verb, err)
	}
	if values == nil {
		return nil, nil
	}
	all := make(map[string]Output, len(values))
	for k, v := range values {
		all[k] = Output{Value: v.Value, Secret: v.Secret}
	}
	return all, nil
}

// follow hands the stream of events that do writes to the translator. The Automation API closes the stream, unless it
// failed before it opened it.
func (t *translator) follow(do func(chan<- events.EngineEvent) error) error {
	stream, done := make(chan events.EngineEvent), make(chan struct{})
	go func() {
		defer close(done)
		for e := range stream {
			if e.Error == nil {
				t.add(e.EngineEvent)
			}
		}
	}()
	err := do(stream)
	select {
	case <-done:
	case <-time.After(patience):
	}
	return err
}

// cliCommand is an auto.PulumiCommand that runs a CLI by its path, wherever that is.
type cliCommand struct {
	path string
}

// Version is the version of the SDK: the CLI is not asked, that would cost every run 0.15 s.
func (cliCommand) Version() semver.Version { return semver.MustParse("3.200.0") }

// Run runs the CLI. A cancelled context interrupts it, so that it ends in order.
func (c cliCommand) Run(
	ctx context.Context, dir string, in io.Reader, out, errOut []io.Writer, env []string, args ...string,
) (string, string, int, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, c.path, append(args, "--non-interactive")...)
	cmd.Dir, cmd.Stdin = dir, in
	cmd.Env = append(append(os.Environ(), env...), "PULUMI_AUTOMATION_API=true")
	cmd.Stdout = io.MultiWriter(append(out, &stdout)...)
	cmd.Stderr = io.MultiWriter(append(errOut, &stderr)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C on the terminal is ours, not the CLI's
	cmd.WaitDelay = time.Minute
	err := cmd.Run()
	code := -1
	if cmd.ProcessState != nil {
		code = cmd.ProcessState.ExitCode()
	}
	if err != nil {
		err = fmt.Errorf("pulumi %s: %w", strings.Join(args[:1], " "), err)
	}
	return stdout.String(), stderr.String(), code, err
}
