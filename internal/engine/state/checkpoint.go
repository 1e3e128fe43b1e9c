package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/pkg/v3/resource/deploy"
	"github.com/pulumi/pulumi/pkg/v3/resource/stack"
	"github.com/pulumi/pulumi/pkg/v3/secrets"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/encoding"

	"plattr.dev/plattr/internal/engine/store"
)

// Load reads a stack's snapshot: nil when nothing was ever deployed, [ErrNoStack] when there is no such stack. Damaged
// says that it comes from a copy, because a kill or a full disk tore the state itself.
func (d *Stacks) Load(ctx context.Context, ref Ref, provider secrets.Provider) (snap *deploy.Snapshot, damaged bool, err error) {
	chk, err := d.checkpoint(ctx, ref)
	if err != nil {
		return nil, false, err
	}
	snap, err = stack.DeserializeCheckpoint(ctx, provider, chk.CheckpointV3)
	if err != nil {
		return nil, false, fmt.Errorf("read stack %s: %w", ref.Stack, err)
	}
	if err := snap.VerifyIntegrity(); err != nil {
		return nil, false, fmt.Errorf("read stack %s: %w", ref.Stack, err)
	}
	return snap, chk.copied, nil
}

// checkpoint is a stack's state, decoded.
type checkpoint struct {
	*apitype.CheckpointV3
	version  int
	features []string
	copied   bool
}

// checkpoint reads the stack's state or, when that is torn, the newest copy that is whole. What the copy does not know
// is found again by the next run: Create takes over what the same stack made before.
func (d *Stacks) checkpoint(ctx context.Context, ref Ref) (checkpoint, error) {
	raw, err := d.store.Read(ctx, stackKey(ref))
	if errors.Is(err, store.ErrAbsent) {
		return checkpoint{}, fmt.Errorf("stack %s: %w", ref.Stack, ErrNoStack)
	}
	if err != nil {
		return checkpoint{}, fmt.Errorf("read stack %s: %w", ref.Stack, err)
	}
	chk, torn := decode(raw)
	if torn == nil {
		return chk, nil
	}
	for _, copied := range d.copies(ctx, ref) {
		raw, err := d.store.Read(ctx, copied)
		if err != nil {
			continue
		}
		if chk, err := decode(raw); err == nil {
			chk.copied = true
			return chk, nil
		}
	}
	return checkpoint{}, fmt.Errorf("read stack %s: %s is damaged and has no copy: %w", ref.Stack, stackKey(ref), torn)
}

// copies lists the stack's other checkpoints, newest first.
func (d *Stacks) copies(ctx context.Context, ref Ref) []string {
	keys := []string{stackKey(ref) + ".bak"}
	for dir, suffix := range map[string]string{backupDir(ref): ".json", historyDir(ref): ".checkpoint.json"} {
		more, _ := d.store.List(ctx, dir) // what cannot be read is no copy
		for _, k := range more {
			if strings.HasSuffix(k, suffix) {
				keys = append(keys, k)
			}
		}
	}
	written := map[string]time.Time{}
	for _, k := range keys {
		if o, err := d.store.Stat(ctx, k); err == nil {
			written[k] = o.Modified
		}
	}
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(written[b].UnixNano(), written[a].UnixNano()) })
	return keys
}

func decode(raw []byte) (checkpoint, error) {
	if len(raw) == 0 {
		return checkpoint{}, errors.New("the file is empty")
	}
	chk, version, features, err := stack.UnmarshalVersionedCheckpointToLatestCheckpoint(encoding.JSON, raw)
	if err != nil {
		return checkpoint{}, fmt.Errorf("decode: %w", err)
	}
	return checkpoint{CheckpointV3: chk, version: version, features: features}, nil
}

// Export returns a stack's deployment as it is stored: secrets stay encrypted.
func (d *Stacks) Export(ctx context.Context, ref Ref) (apitype.UntypedDeployment, error) {
	chk, err := d.checkpoint(ctx, ref)
	if err != nil {
		return apitype.UntypedDeployment{}, err
	}
	raw, err := encoding.JSON.Marshal(chk.Latest)
	if err != nil {
		return apitype.UntypedDeployment{}, fmt.Errorf("export stack %s: %w", ref.Stack, err)
	}
	return apitype.UntypedDeployment{Version: chk.version, Features: chk.features, Deployment: raw}, nil
}

// Count returns how many resources a stack has.
func (d *Stacks) Count(ctx context.Context, ref Ref) (int, error) {
	chk, err := d.checkpoint(ctx, ref)
	if err != nil || chk.Latest == nil {
		return 0, err
	}
	return len(chk.Latest.Resources), nil
}

// Types returns the types of a stack's resources, those included whose making was interrupted.
func (d *Stacks) Types(ctx context.Context, ref Ref) ([]string, error) {
	chk, err := d.checkpoint(ctx, ref)
	if err != nil || chk.Latest == nil {
		return nil, err
	}
	var types []string
	for _, r := range chk.Latest.Resources {
		types = append(types, string(r.Type))
	}
	for _, op := range chk.Latest.PendingOperations {
		types = append(types, string(op.Resource.Type))
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}
