package state

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi/pkg/v3/backend"
	"github.com/pulumi/pulumi/pkg/v3/resource/deploy"
	"github.com/pulumi/pulumi/pkg/v3/resource/stack"
	"github.com/pulumi/pulumi/sdk/v3/go/common/encoding"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/store"
)

// Locked is one stack under its lock: only so it can be written. When the lock is lost, every write returns
// [lock.ErrLost].
type Locked struct {
	*Stacks

	Ref  Ref
	lock *lock.Lock
}

// Lock takes the lock of a stack, or returns a [lock.HeldError]. Owner is shown to whoever finds it held.
func (d *Stacks) Lock(ctx context.Context, ref Ref, owner string) (*Locked, error) {
	l, err := d.store.Lock(ctx, lockDir(ref), owner)
	if err != nil {
		return nil, err
	}
	return &Locked{Stacks: d, Ref: ref, lock: l}, nil
}

// Lost is closed when the lock is lost.
func (l *Locked) Lost() <-chan struct{} { return l.lock.Lost() }

// Err returns an [lock.ErrLost] when the lock is lost.
func (l *Locked) Err() error { return l.lock.Err() }

// Release gives the lock back. It may be called once.
func (l *Locked) Release() error { return l.lock.Release() }

// Create makes the stack with its first snapshot; nil is an empty one.
func (l *Locked) Create(ctx context.Context, snap *deploy.Snapshot) error {
	raw, err := l.Encode(snap)
	if err != nil {
		return err
	}
	changes := []store.Change{store.Put(stackKey(l.Ref), raw)}
	if l.remote != nil {
		switch meta, err := l.store.Read(ctx, metaKey); {
		case errors.Is(err, store.ErrAbsent):
			changes = append([]store.Change{store.Put(metaKey, []byte(metaContent))}, changes...)
		case err != nil:
			return fmt.Errorf("create stack %s: %w", l.Ref.Stack, err)
		case strings.TrimSpace(string(meta)) != strings.TrimSpace(metaContent):
			return fmt.Errorf("create stack %s: %s says %q, want %q: upgrade the state with `pulumi state upgrade`",
				l.Ref.Stack, metaKey, strings.TrimSpace(string(meta)), strings.TrimSpace(metaContent))
		}
	}
	if err := l.store.Apply(ctx, l.lock, changes...); err != nil {
		return fmt.Errorf("create stack %s: %w", l.Ref.Stack, err)
	}
	return nil
}

// Encode returns a snapshot as [Locked.Write] wants it: what the engine changes in it later is not in there.
func (l *Locked) Encode(snap *deploy.Snapshot) ([]byte, error) {
	chk, err := stack.SerializeCheckpoint(tokens.QName(l.Ref.String()), snap, false)
	if err == nil {
		var raw []byte
		if raw, err = encoding.JSON.Marshal(chk); err == nil {
			return raw, nil
		}
	}
	return nil, fmt.Errorf("write stack %s: %w", l.Ref.Stack, err)
}

// Write replaces the stack's state.
func (l *Locked) Write(ctx context.Context, raw []byte) error {
	file := stackKey(l.Ref)
	changes := []store.Change{store.Put(file, raw)}
	if l.plain != nil {
		changes = []store.Change{store.Copy(file, file+".bak"), changes[0]}
	}
	if err := l.store.Apply(ctx, l.lock, changes...); err != nil {
		return fmt.Errorf("write stack %s: %w", l.Ref.Stack, err)
	}
	return nil
}

// Save encodes and writes a snapshot.
func (l *Locked) Save(ctx context.Context, snap *deploy.Snapshot) error {
	raw, err := l.Encode(snap)
	if err != nil {
		return err
	}
	return l.Write(ctx, raw)
}

// Record ends a run: history and backup get their entry, and a state that was written is brought to the disk. One that
// was not is copied only where a copy costs nothing.
func (l *Locked) Record(ctx context.Context, info backend.UpdateInfo, written bool) error {
	file, stamp := stackKey(l.Ref), time.Now().UnixNano()
	if written && l.plain != nil {
		if err := l.plain.Sync(file); err != nil {
			return fmt.Errorf("record run of stack %s: %w", l.Ref.Stack, err)
		}
	}
	raw, err := encoding.JSON.Marshal(&info)
	if err != nil {
		return fmt.Errorf("record run of stack %s: %w", l.Ref.Stack, err)
	}
	prefix := fmt.Sprintf("%s%s-%d", historyDir(l.Ref), l.Ref.Stack, stamp)
	changes := []store.Change{store.Put(prefix+".history.json", raw)}
	if written || l.plain != nil {
		changes = append(changes, store.Copy(file, prefix+".checkpoint.json"),
			store.Copy(file, fmt.Sprintf("%s%s.%d.json", backupDir(l.Ref), l.Ref.Stack, stamp)))
	}
	if err := l.store.Apply(ctx, l.lock, changes...); err != nil {
		return fmt.Errorf("record run of stack %s: %w", l.Ref.Stack, err)
	}
	_ = l.store.Apply(ctx, l.lock, l.old(ctx, l.Ref)...) // costs only space, and the next run tries again
	return nil
}

// Remove deletes the stack with its history and its backups. The stack itself goes last: a removal that was killed can
// be done again.
func (l *Locked) Remove(ctx context.Context) error {
	file := stackKey(l.Ref)
	keys := []string{file + ".bak", file + ".attrs", file + ".bak.attrs"}
	for _, dir := range []string{historyDir(l.Ref), backupDir(l.Ref)} {
		more, err := l.store.List(ctx, dir)
		if err != nil {
			return fmt.Errorf("remove stack %s: %w", l.Ref.Stack, err)
		}
		keys = append(keys, more...)
	}
	if err := l.Sweep(); err != nil {
		return err
	}
	changes := make([]store.Change, 0, len(keys)+1)
	for _, k := range append(keys, file) {
		changes = append(changes, store.Delete(k))
	}
	if err := l.store.Apply(ctx, l.lock, changes...); err != nil {
		return fmt.Errorf("remove stack %s: %w", l.Ref.Stack, err)
	}
	return nil
}

// Sweep deletes what writes of killed processes left.
func (l *Locked) Sweep() error {
	if l.plain == nil {
		return nil
	}
	if err := l.plain.Sweep(stackKey(l.Ref)); err != nil {
		return fmt.Errorf("sweep stack %s: %w", l.Ref.Stack, err)
	}
	return nil
}

// Rename gives the stack another name, with its history and backups. Snap is its snapshot under the new name. Until it
// is written the old name is the stack.
func (l *Locked) Rename(ctx context.Context, to Ref, snap *deploy.Snapshot) error {
	if ok, err := l.Exists(ctx, to); err != nil || ok {
		return errors.Join(err, fmt.Errorf("rename stack %s: %s exists", l.Ref.Stack, to.Stack))
	}
	raw, err := (&Locked{Stacks: l.Stacks, Ref: to}).Encode(snap)
	if err != nil {
		return err
	}
	var copies []store.Change
	from := []string{stackKey(l.Ref), stackKey(l.Ref) + ".bak"}
	for dir, target := range map[string]string{historyDir(l.Ref): historyDir(to), backupDir(l.Ref): backupDir(to)} {
		keys, err := l.store.List(ctx, dir)
		if err != nil {
			return fmt.Errorf("rename stack %s: %w", l.Ref.Stack, err)
		}
		for _, k := range keys {
			name, _ := strings.CutPrefix(strings.TrimPrefix(k, dir), l.Ref.Stack) // the stack's name begins it
			copies = append(copies, store.Copy(k, target+to.Stack+name))
		}
		from = append(from, keys...)
	}
	if err := l.store.Apply(ctx, l.lock, append(copies, store.Put(stackKey(to), raw))...); err != nil {
		return fmt.Errorf("rename stack %s: %w", l.Ref.Stack, err)
	}
	var deletions []store.Change
	for _, k := range from {
		deletions = append(deletions, store.Delete(k))
	}
	if err := l.store.Apply(ctx, l.lock, deletions...); err != nil {
		return fmt.Errorf("rename stack %s: %w", l.Ref.Stack, err)
	}
	return nil
}
