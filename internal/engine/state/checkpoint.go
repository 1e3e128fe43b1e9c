package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/pulumi/pulumi/pkg/v3/resource/deploy"
	"github.com/pulumi/pulumi/pkg/v3/resource/stack"
	"github.com/pulumi/pulumi/pkg/v3/secrets"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/encoding"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// Create makes an empty stack.
func (d *Dir) Create(ref Ref) error {
	chk, err := stack.SerializeCheckpoint(tokens.QName(ref.String()), nil, false)
	if err != nil {
		return fmt.Errorf("create stack %s: %w", ref.Stack, err)
	}
	return d.save(ref, chk)
}

// Load reads a stack's snapshot: nil when nothing was ever deployed, [ErrNoStack] when there is no such stack. Damaged
// says that it comes from a copy, because a kill or a full disk tore the file itself.
func (d *Dir) Load(ctx context.Context, ref Ref, provider secrets.Provider) (snap *deploy.Snapshot, damaged bool, err error) {
	chk, err := d.checkpoint(ref)
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

// Stat describes a stack's file as it is now. It is replaced whole at each change.
func (d *Dir) Stat(ref Ref) (fs.FileInfo, error) {
	info, err := os.Stat(d.stackFile(ref))
	if err != nil {
		return nil, fmt.Errorf("read stack %s: %w", ref.Stack, err)
	}
	return info, nil
}

// checkpoint is a stack's file, decoded.
type checkpoint struct {
	*apitype.CheckpointV3
	version  int
	features []string
	copied   bool
}

// checkpoint reads the stack's file or, when that is torn, the newest copy that is whole. What the copy does not know is
// found again by the next run: Create takes over what the same stack made before.
func (d *Dir) checkpoint(ref Ref) (checkpoint, error) {
	file := d.stackFile(ref)
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return checkpoint{}, fmt.Errorf("stack %s: %w", ref.Stack, ErrNoStack)
	}
	if err != nil {
		return checkpoint{}, fmt.Errorf("read stack %s: %w", ref.Stack, err)
	}
	chk, torn := decode(raw)
	if torn == nil {
		return chk, nil
	}
	for _, copied := range d.copies(ref) {
		raw, err := os.ReadFile(copied)
		if err != nil {
			continue
		}
		if chk, err := decode(raw); err == nil {
			chk.copied = true
			return chk, nil
		}
	}
	return checkpoint{}, fmt.Errorf("read stack %s: %s is damaged and has no copy: %w", ref.Stack, file, torn)
}

// copies lists the stack's other files, newest first.
func (d *Dir) copies(ref Ref) []string {
	files := []string{d.stackFile(ref) + ".bak"}
	for _, pattern := range []string{
		filepath.Join(d.backupDir(ref), "*.json"), filepath.Join(d.historyDir(ref), "*.checkpoint.json"),
	} {
		more, _ := filepath.Glob(pattern) // the pattern is fixed: it cannot be malformed
		files = append(files, more...)
	}
	age := map[string]int64{}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			age[f] = info.ModTime().UnixNano()
		}
	}
	slices.SortStableFunc(files, func(a, b string) int { return int(max(-1, min(1, age[b]-age[a]))) })
	return files
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

// Save writes a stack's snapshot. It is what backend.SnapshotManager calls after each step.
func (d *Dir) Save(ref Ref, snap *deploy.Snapshot) error {
	chk, err := stack.SerializeCheckpoint(tokens.QName(ref.String()), snap, false)
	if err != nil {
		return fmt.Errorf("write stack %s: %w", ref.Stack, err)
	}
	return d.save(ref, chk)
}

func (d *Dir) save(ref Ref, chk *apitype.VersionedCheckpoint) error {
	raw, err := encoding.JSON.Marshal(chk)
	if err != nil {
		return fmt.Errorf("write stack %s: %w", ref.Stack, err)
	}
	file := d.stackFile(ref)
	if err := os.Remove(file + ".bak"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write stack %s: %w", ref.Stack, err)
	}
	if err := keep(file, file+".bak"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write stack %s: %w", ref.Stack, err)
	}
	if err := write(file, raw, false); err != nil {
		return fmt.Errorf("write stack %s: %w", ref.Stack, err)
	}
	return nil
}

// Export returns a stack's deployment as it is stored: secrets stay encrypted.
func (d *Dir) Export(ref Ref) (apitype.UntypedDeployment, error) {
	chk, err := d.checkpoint(ref)
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
func (d *Dir) Count(ref Ref) (int, error) {
	chk, err := d.checkpoint(ref)
	if err != nil || chk.Latest == nil {
		return 0, err
	}
	return len(chk.Latest.Resources), nil
}

// Types returns the types of a stack's resources, those included whose making was interrupted.
func (d *Dir) Types(ref Ref) ([]string, error) {
	chk, err := d.checkpoint(ref)
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
