// Package state keeps stacks in a store, in the layout of Pulumi's own backends for files and buckets (version 1, with
// projects), so that the stock CLI can read and continue every stack. Objects are replaced, never changed in place; a
// state that was torn in the middle of a write is read from the newest copy that is whole.
package state

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/store"
	"plattr.dev/plattr/internal/engine/store/file"
	"plattr.dev/plattr/internal/engine/store/postgres"
	"plattr.dev/plattr/internal/engine/store/s3"
)

// ErrNoStack is returned for a stack that the store does not hold.
var ErrNoStack = errors.New("no such stack")

const (
	bookkeeping = ".pulumi"
	metaKey     = bookkeeping + "/meta.yaml"
	metaContent = "version: 1\n"
)

// Store is where the objects of stacks lie.
type Store interface {
	store.Reader
	// Apply makes changes; the last one when all others are made. Under a lock it returns [lock.ErrLost] when that is
	// lost. Which of the changes are made after an error is open, unless the store has transactions.
	Apply(ctx context.Context, l *lock.Lock, changes ...store.Change) error
	// Lock takes the lock that lies in a folder, or returns a [lock.HeldError].
	Lock(ctx context.Context, dir, owner string) (*lock.Lock, error)
}

// plain is a store whose writes a loss of power may tear.
type plain interface {
	// Sync brings an object to the disk.
	Sync(key string) error
	// Sweep deletes what killed writes of an object left.
	Sweep(key string) error
}

// Stacks are the stacks in a store.
type Stacks struct {
	store  Store
	plain  plain  // nil: a write is whole or not there
	root   string // of a directory, else empty
	remote remote // nil: a directory
}

// remote is what is known of a store that is not a directory.
type remote interface {
	// URL is for the stock CLI and may hold a password.
	URL() string
}

// Options say how a store is opened.
type Options struct {
	// S3 are the credentials of a bucket; empty: from the environment.
	S3 s3.Credentials
}

// Open opens the store behind a URL: file:///directory, s3://bucket/prefix or postgres://user:password@host/database. A
// directory is made when it is absent, readable by its owner only. No server is asked yet.
func Open(rawURL string, o Options) (*Stacks, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("state URL: it cannot be parsed: in user, password and parameters use %XX for special characters")
	}
	switch u.Scheme {
	case "file":
		return openDir(u)
	case "s3":
		s, err := s3.Open(u, o.S3)
		if err != nil {
			return nil, err
		}
		return &Stacks{store: s, remote: s}, nil
	case "postgres", "postgresql":
		s, err := postgres.Open(u)
		if err != nil {
			return nil, err
		}
		return &Stacks{store: s, remote: s}, nil
	}
	return nil, fmt.Errorf("state URL %s: there is no store %q, only file:///directory, s3://bucket/prefix and "+
		"postgres://user:password@host/database", shown(u), u.Scheme)
}

// shown is a URL without what may be secret: of an unknown scheme, nearly everything.
func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func openDir(u *url.URL) (*Stacks, error) {
	s, err := file.Open(u)
	if err != nil {
		return nil, err
	}
	d := &Stacks{store: s, plain: s, root: s.Root()}
	switch _, err := s.Stat(context.Background(), metaKey); {
	case err == nil:
		return d, nil
	case !errors.Is(err, store.ErrAbsent):
		return nil, fmt.Errorf("open state directory: %w", err)
	}
	if err := s.Apply(context.Background(), nil, store.Put(metaKey, []byte(metaContent))); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	return d, nil
}

// Root returns the path of a directory of stacks; empty for another store.
func (d *Stacks) Root() string { return d.root }

// URL returns the URL with which the stock CLI opens the store. It may hold a password.
func (d *Stacks) URL() string {
	if d.remote != nil {
		return d.remote.URL()
	}
	return (&url.URL{Scheme: "file", Path: d.root}).String()
}

// Environment are variables that the stock CLI needs to open [Stacks.URL]; they may hold secrets.
func (d *Stacks) Environment() map[string]string {
	if s, ok := d.remote.(interface{ Environment() map[string]string }); ok {
		return s.Environment()
	}
	return nil
}

// Hide replaces in a text of the stock CLI what is secret in [Stacks.URL].
func (d *Stacks) Hide(text string) string {
	s, ok := d.remote.(interface{ Secrets() []string })
	if !ok {
		return text
	}
	for _, secret := range s.Secrets() {
		text = strings.ReplaceAll(text, secret, "xxxxx")
	}
	return text
}

// Close ends the connections to the store. It may be used again.
func (d *Stacks) Close() {
	if s, ok := d.remote.(interface{ Close() }); ok {
		s.Close()
	}
}

// lockDir is where the locks of a stack lie, ours and the stock CLI's.
func lockDir(ref Ref) string { return key("locks", "organization", ref.Project, ref.Stack) }

func key(elem ...string) string { return path.Join(append([]string{bookkeeping}, elem...)...) }

func stackKey(ref Ref) string { return key("stacks", ref.Project, ref.Stack+".json") }

func historyDir(ref Ref) string { return key("history", ref.Project, ref.Stack) + "/" }

func backupDir(ref Ref) string { return key("backups", ref.Project, ref.Stack) + "/" }

// List returns the stacks of a project, sorted by name; with an empty project, of all.
func (d *Stacks) List(ctx context.Context, project string) ([]Ref, error) {
	prefix := key("stacks") + "/"
	if project != "" {
		if err := tokens.ValidateProjectName(project); err != nil {
			return nil, fmt.Errorf("list stacks of project %q: %w", project, err)
		}
		prefix = key("stacks", project) + "/"
	}
	keys, err := d.store.List(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("list stacks: %w", err)
	}
	refs := make([]Ref, 0, len(keys))
	for _, k := range keys {
		name, ok := strings.CutSuffix(path.Base(k), ".json")
		if ref, err := ParseRef(path.Base(path.Dir(k)), name); ok && err == nil && stackKey(ref) == k {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b Ref) int { return strings.Compare(stackKey(a), stackKey(b)) })
	return refs, nil
}

// Exists says whether the store holds the stack, whole or torn.
func (d *Stacks) Exists(ctx context.Context, ref Ref) (bool, error) {
	_, err := d.store.Stat(ctx, stackKey(ref))
	if errors.Is(err, store.ErrAbsent) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for stack %s: %w", ref.Stack, err)
	}
	return true, nil
}

// Version tells whether a stack's state was written since: then it is another one.
func (d *Stacks) Version(ctx context.Context, ref Ref) (string, error) {
	o, err := d.store.Stat(ctx, stackKey(ref))
	if err != nil {
		return "", fmt.Errorf("read stack %s: %w", ref.Stack, err)
	}
	return o.Version, nil
}

// Stale tells whether the stack is locked by a process that is gone, and by none that lives.
func (d *Stacks) Stale(ctx context.Context, ref Ref) (bool, error) {
	seen, err := store.Locks(ctx, d.store, lockDir(ref))
	if err != nil {
		return false, fmt.Errorf("list locks: %w", err)
	}
	for _, l := range seen {
		if l.Alive {
			return false, nil
		}
	}
	return len(seen) > 0, nil
}

// Check removes the locks of dead processes and returns a [lock.HeldError] when a live one is left.
func (d *Stacks) Check(ctx context.Context, ref Ref, owner string) error {
	l, err := d.store.Lock(ctx, lockDir(ref), owner)
	if err != nil {
		return err
	}
	return l.Release()
}

// Break removes every lock of a stack, also of the living: `pulumi cancel`. In a directory a run of this host keeps the
// others of this host out all the same, until it ends; elsewhere it notices and stops.
func (d *Stacks) Break(ctx context.Context, ref Ref) error {
	keys, err := d.store.List(ctx, lockDir(ref)+"/")
	if err != nil {
		return fmt.Errorf("list locks: %w", err)
	}
	var changes []store.Change
	for _, k := range keys {
		if strings.HasSuffix(k, ".json") {
			changes = append(changes, store.Delete(k))
		}
	}
	if err := d.store.Apply(ctx, nil, changes...); err != nil {
		return fmt.Errorf("remove lock: %w", err)
	}
	return nil
}
