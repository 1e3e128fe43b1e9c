package engine

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/pulumi/pulumi/pkg/v3/backend/display"
	pulumiengine "github.com/pulumi/pulumi/pkg/v3/engine"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"plattr.dev/plattr/internal/engine/linked"
	"plattr.dev/plattr/internal/engine/lock"
)

// linkedRunner runs on the engine in this process.
type linkedRunner struct {
	runner *linked.Runner
}

func (r *linkedRunner) run(ctx context.Context, op operation, emit func(Event)) (Result, error) {
	kinds := map[verb]apitype.UpdateKind{
		verbUp: apitype.UpdateUpdate, verbPreview: apitype.UpdateUpdate,
		verbDestroy: apitype.DestroyUpdate, verbRefresh: apitype.RefreshUpdate,
	}
	t := newTranslator(emit)
	out, err := r.runner.Run(ctx, linked.Request{
		Kind: kinds[op.verb], Stack: op.ref, Program: op.program, Root: r.root(),
		DryRun: op.verb == verbPreview, Refresh: op.options.Refresh, Message: op.options.Message,
		Events: func(e pulumiengine.Event) {
			if e.Internal() {
				return
			}
			if converted, err := display.ConvertEngineEvent(e, false); err == nil {
				t.add(converted)
			}
		},
	})
	res := Result{Changes: t.changes, Drift: t.drift}
	if out.Outputs != nil {
		res.Outputs = outputs(out.Outputs)
	}
	if out.Program != nil {
		out.Program = fmt.Errorf("program: %w", out.Program)
	}
	if errors.Is(err, lock.ErrLost) {
		return res, err // what the resources say follows from it
	}
	return res, t.failure(out.Program, err)
}

// root is the directory that relative paths of a program are based on.
func (r *linkedRunner) root() string {
	if dir := r.runner.State.Root(); dir != "" {
		return dir
	}
	return os.TempDir() // programs of plattr have no such paths
}
