package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pulumi/pulumi/pkg/v3/backend/display"
	"github.com/pulumi/pulumi/pkg/v3/engine"
	"github.com/pulumi/pulumi/pkg/v3/resource/deploy"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/spf13/pflag"

	"plattr.dev/plattr/internal/engine/linked"
)

func updateFlags(f *pflag.FlagSet) {
	yesFlag(f)
	f.String("client", "", "")
	f.String("exec-kind", "", "")
	f.String("exec-agent", "", "")
	f.String("event-log", "", "")
	f.String("message", "", "")
	f.String("color", "", "")
	f.String("config-file", "", "")
	f.String("run-program", "", "")
	f.Int32P("parallel", "p", 0, "")
	f.IntP("verbose", "v", 0, "")
	f.String("tracing", "", "")
	for _, name := range []string{
		"skip-preview", "preview-only", "refresh", "expect-no-changes", "diff", "target-dependents",
		"exclude-dependents", "continue-on-error", "suppress-outputs", "suppress-progress", "clear-pending-creates",
		"debug", "logflow", "logtostderr",
	} {
		f.Bool(name, false, "")
	}
	for _, name := range []string{"replace", "target", "exclude"} {
		f.StringArray(name, nil, "")
	}
}

func (s *session) up(ctx context.Context, _ []string) error {
	return s.update(ctx, linked.Request{Kind: apitype.UpdateUpdate})
}

func (s *session) preview(ctx context.Context, _ []string) error {
	return s.update(ctx, linked.Request{Kind: apitype.UpdateUpdate, DryRun: true})
}

func (s *session) refresh(ctx context.Context, _ []string) error {
	return s.update(ctx, linked.Request{Kind: apitype.RefreshUpdate, DryRun: s.flag("preview-only")})
}

func (s *session) destroy(ctx context.Context, _ []string) error {
	return s.update(ctx, linked.Request{Kind: apitype.DestroyUpdate, DryRun: s.flag("preview-only")})
}

// update does one run of the engine on an existing stack.
func (s *session) update(ctx context.Context, req linked.Request) (err error) {
	r, ref, err := s.existing(ctx, "")
	if err != nil {
		return err
	}
	settings, err := s.settings(ref)
	if err != nil {
		return err
	}
	if settings.EncryptionSalt != "" {
		if req.Manager, err = s.manager(ctx, r, ref); err != nil {
			return err
		}
	}
	req.Stack, req.Root, req.Client = ref, s.dir, s.text("client")
	req.Config, req.Message, req.Refresh = settings.Config, s.text("message"), s.flag("refresh")
	s.options(&req.Options)
	report, err := s.report()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, report.close()) }()
	req.Events = report.add
	out, err := r.Run(ctx, req)
	report.summarize()
	if err != nil {
		return fmt.Errorf("%s failed: %w", req.Kind, lockText(err))
	}
	if s.flag("expect-no-changes") && engine.HasChanges(out.Changes) {
		return errors.New("no changes were expected but changes occurred")
	}
	return nil
}

func (s *session) options(o *engine.UpdateOptions) {
	o.Parallel, _ = s.flags.GetInt32("parallel")
	o.Debug = s.flag("debug")
	o.ContinueOnError = s.flag("continue-on-error")
	o.TargetDependents, o.ExcludeDependents = s.flag("target-dependents"), s.flag("exclude-dependents")
	o.ReplaceTargets = deploy.NewUrnTargets(s.list("replace"))
	o.Targets = deploy.NewUrnTargets(s.list("target"))
	o.Excludes = deploy.NewUrnTargets(s.list("exclude"))
	run := s.text("run-program") == "true"
	o.RefreshProgram, o.DestroyProgram = run, run
}

// report writes the event log that the Automation API tails, and the texts of the CLI's output.
type report struct {
	session  *session
	log      *os.File
	encoder  *json.Encoder
	sequence int
	errors   []string
	changes  map[apitype.OpType]int
}

func (s *session) report() (*report, error) {
	r := &report{session: s}
	path := s.text("event-log")
	if path == "" {
		return r, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	r.log, r.encoder = f, json.NewEncoder(f)
	r.encoder.SetEscapeHTML(false)
	return r, nil
}

func (r *report) add(e engine.Event) {
	if e.Internal() {
		return
	}
	converted, err := display.ConvertEngineEvent(e, false)
	if err != nil {
		return // an event of a kind that the API does not have
	}
	converted.Sequence, converted.Timestamp = r.sequence, int(time.Now().Unix())
	r.sequence++
	if r.encoder != nil {
		_ = r.encoder.Encode(converted) // the run is worth more than its log
	}
	switch {
	case converted.DiagnosticEvent != nil:
		text := colors.Never.Colorize(converted.DiagnosticEvent.Prefix + converted.DiagnosticEvent.Message)
		if converted.DiagnosticEvent.Severity == "error" {
			r.errors = append(r.errors, text)
		}
	case converted.SummaryEvent != nil:
		r.changes = converted.SummaryEvent.ResourceChanges
	}
}

func (r *report) summarize() {
	out := r.session.out
	if len(r.errors) > 0 {
		fmt.Fprintln(out, "Diagnostics:")
		for _, text := range r.errors {
			fmt.Fprintln(out, "  "+text)
		}
	}
	if len(r.changes) == 0 {
		return
	}
	ops := make([]string, 0, len(r.changes))
	for op := range r.changes {
		ops = append(ops, string(op))
	}
	slices.Sort(ops)
	fmt.Fprintln(out, "Resources:")
	for _, op := range ops {
		fmt.Fprintf(out, "    %d %s\n", r.changes[apitype.OpType(op)], op)
	}
}

// followed is how long the Automation API gets to read the last events. Once a call has returned, it stops its follower
// of the log, which then drops what it has not passed on: a CLI takes about as long from its last event to its exit.
const followed = 100 * time.Millisecond

func (r *report) close() error {
	if r.log == nil {
		return nil
	}
	err := r.log.Close()
	time.Sleep(followed)
	return err
}
