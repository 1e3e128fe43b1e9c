package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/store"
)

const (
	// lockName is the one object for which all processes of plattr contend. The stock CLI takes every object of the
	// folder for a lock.
	lockName = "plattr.json"
	// tries is how often a taking begins anew because somebody else changed the lock in that moment.
	tries = 5
	pause = 50 * time.Millisecond
	// renewal bounds one heartbeat, so that several may fail before it is too late.
	renewal = 5 * time.Second
)

var (
	// errContended says that the lock changed while it was looked at.
	errContended = errors.New("the lock changed")
	// errHidden says that there was none to look at.
	errHidden = fmt.Errorf("%w: it is absent", errContended)
)

// Lock takes the lock in a folder, or returns a [lock.HeldError]. It is written on the condition that there is none
// (If-None-Match), the lock of a dead process is replaced, and every heartbeat is written, on the condition that it is
// still the same (If-Match). So of many processes one wins, and a loser knows. Ages are told by the server's clock.
func (s *Store) Lock(ctx context.Context, dir, owner string) (*lock.Lock, error) {
	g, err := s.grip(ctx, dir)
	if err != nil {
		return nil, err
	}
	mine := lock.Self(owner)
	taken := time.Now()
	err = errContended
	for n := 0; errors.Is(err, errContended) && n < tries; n++ {
		time.Sleep(time.Duration(n) * pause)
		taken = time.Now()
		err = g.take(ctx, mine)
	}
	switch {
	case errors.Is(err, errHidden):
		return nil, fmt.Errorf("state %s: the server refuses to write %s as if it were there, but it is not: "+
			"if the bucket keeps versions, delete the marker that hides it", s.at, g.key)
	case errors.Is(err, errContended):
		return nil, &lock.HeldError{}
	case err != nil:
		return nil, err
	}
	if err := g.alone(ctx); err != nil {
		return nil, errors.Join(err, g.Release(ctx))
	}
	return lock.Hold(g.key, mine, taken, g), nil
}

// grip is a held lock.
type grip struct {
	store    *Store
	client   *s3.Client
	dir, key string
	id       string
	tag      string   // of the record that we wrote last
	versions []string // of all that we wrote, oldest first, in a bucket that keeps them
}

func (s *Store) grip(ctx context.Context, dir string) (*grip, error) {
	client, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return &grip{store: s, client: client, dir: dir, key: dir + "/" + lockName}, nil
}

// take writes the lock where there is none, or over that of a dead process.
func (g *grip) take(ctx context.Context, mine lock.Record) error {
	g.id = mine.ID
	err := g.write(ctx, mine, &s3.PutObjectInput{IfNoneMatch: aws.String("*")})
	if err == nil {
		return g.probe(ctx, mine)
	}
	if !refused(err) {
		return g.explain(err)
	}
	there, err := g.store.get(ctx, g.key)
	if errors.Is(err, store.ErrAbsent) {
		return errHidden // given back just now
	}
	if err != nil {
		return err
	}
	r, torn := lock.Parse(there.content)
	if torn == nil && r.ID == mine.ID { // the answer to an earlier attempt was lost
		g.tag = there.Version
		return g.probe(ctx, mine)
	}
	if torn == nil && r.Alive(there.Age) {
		return &lock.HeldError{Holder: r.Holder()}
	}
	err = g.write(ctx, mine, &s3.PutObjectInput{IfMatch: &there.Version})
	if refused(err) || is(err, "NoSuchKey") {
		return errContended
	}
	return g.explain(err)
}

// probe finds out, once, whether a server that is not AWS's honours conditions: one that ignores them would let two
// runs work on one stack.
func (g *grip) probe(ctx context.Context, mine lock.Record) error {
	s := g.store
	s.mu.Lock()
	known := s.probed || s.at.endpoint == ""
	s.mu.Unlock()
	if known {
		return nil
	}
	before := g.tag
	err := g.write(ctx, mine, &s3.PutObjectInput{IfNoneMatch: aws.String("*")})
	if refused(err) {
		g.tag = before
		s.mu.Lock()
		defer s.mu.Unlock()
		s.probed = true
		return nil
	}
	if err != nil {
		return errors.Join(g.explain(err), g.Release(ctx))
	}
	return errors.Join(fmt.Errorf("state %s: the server ignores If-None-Match, on which locks rest: "+
		"use a server with conditional writes, or keep the state in postgres://", s.at), g.Release(ctx))
}

// alone looks for locks of the stock CLI, which writes its own and looks for others before and after that, as we do.
func (g *grip) alone(ctx context.Context) error {
	seen, err := store.Locks(ctx, except{g.store, g.key}, g.dir)
	if err != nil {
		return err
	}
	for _, l := range seen {
		if l.Alive {
			return &lock.HeldError{Holder: l.Record.Holder()}
		}
		if err := g.store.Apply(ctx, nil, store.Delete(l.Key)); err != nil {
			return err
		}
	}
	return nil
}

// except is a store without one key: our own lock need not be read.
type except struct {
	*Store
	key string
}

func (e except) List(ctx context.Context, prefix string) ([]string, error) {
	keys, err := e.Store.List(ctx, prefix)
	var others []string
	for _, k := range keys {
		if k != e.key {
			others = append(others, k)
		}
	}
	return others, err
}

func (g *grip) write(ctx context.Context, r lock.Record, in *s3.PutObjectInput) error {
	raw, err := r.Encode()
	if err != nil {
		return err
	}
	in.Key = g.store.object(g.key)
	w, err := g.store.put(ctx, g.client, in, raw)
	if err != nil {
		return err
	}
	g.tag = w.tag
	if w.version != "" && !slices.Contains(g.versions, w.version) {
		g.versions = append(g.versions, w.version)
	}
	return nil
}

func (g *grip) explain(err error) error {
	if is(err, "NotImplemented") {
		return fmt.Errorf("state %s: the server has no conditional writes, on which locks rest: "+
			"use another one, or keep the state in postgres://", g.store.at)
	}
	return g.store.explain(err, "lock", g.key)
}

func (g *grip) Watch(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Renew writes the heartbeat over the record that we wrote last.
func (g *grip) Renew(ctx context.Context, r lock.Record) error {
	ctx, cancel := context.WithTimeout(ctx, renewal)
	defer cancel()
	err := g.write(ctx, r, &s3.PutObjectInput{IfMatch: &g.tag})
	if err == nil {
		return nil
	}
	if !refused(err) && !is(err, "NoSuchKey") {
		return g.explain(err)
	}
	there, err := g.store.get(ctx, g.key)
	if errors.Is(err, store.ErrAbsent) {
		return fmt.Errorf("%w: somebody removed it", lock.ErrLost)
	}
	if err != nil {
		return err
	}
	other, err := lock.Parse(there.content)
	if err == nil && other.ID == g.id { // the answer to an earlier attempt was lost
		g.tag = there.Version
		return nil
	}
	return fmt.Errorf("%w: %s", lock.ErrLost, (&lock.HeldError{Holder: other.Holder()}).Error())
}

// Expires is true: nothing but the heartbeat keeps others out.
func (g *grip) Expires() bool { return true }

// Release deletes the record, if it is the one that we wrote last. In a bucket that keeps versions exactly ours go, the
// current one last: else every run would leave some behind, and a marker that the next has to look behind.
func (g *grip) Release(ctx context.Context) error {
	for _, version := range g.versions {
		in := &s3.DeleteObjectInput{Bucket: &g.store.at.bucket, Key: g.store.object(g.key), VersionId: aws.String(version)}
		if _, err := g.client.DeleteObject(ctx, in); is(err, "AccessDenied", "Forbidden") {
			return g.remove(ctx) // may delete objects, but no versions
		} else if err != nil && !is(err, "NoSuchVersion", "NoSuchKey", "NotFound") {
			return g.explain(err)
		}
	}
	if len(g.versions) > 0 {
		return nil
	}
	return g.remove(ctx)
}

func (g *grip) remove(ctx context.Context) error {
	in := &s3.DeleteObjectInput{Bucket: &g.store.at.bucket, Key: g.store.object(g.key), IfMatch: &g.tag}
	_, err := g.client.DeleteObject(ctx, in)
	if refused(err) || is(err, "NoSuchKey", "NotFound") {
		return nil // somebody else's, or removed by `pulumi cancel`
	}
	return g.explain(err)
}
