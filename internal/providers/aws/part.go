package aws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"plattr.dev/plattr/internal/providers/embedded"
)

// part is a setting of a bucket that is a resource type of its own: CORS rules, a policy and so on. There is one of
// each kind per bucket, it has no mark of its own, and it is only written or removed on a bucket of this stack.
// A is its inputs, which are also its state.
type part[A any] struct {
	token string
	// what the part is called in errors.
	what string
	// bucket is the input that names the bucket, which is the ID too.
	bucket func(*A) *string
	check  func(*A) []embedded.Problem
	equal  func(key string, a, b any) bool
	put    func(ctx context.Context, c *client, in A) error
	// get returns what is there; a part that was never set is absent.
	get    func(ctx context.Context, c *client, bucket string) (A, error)
	absent []string // codes of get's errors that mean there is none
	remove func(ctx context.Context, c *client, in A) error
}

func (p part[A]) resource() embedded.Resource[*client] {
	return &embedded.Type[*client, A, A]{
		Token:   p.token,
		Replace: []string{"bucket"},
		Equal:   p.equal,
		Check:   p.checkAll,
		Create: func(ctx context.Context, c *client, op embedded.Op, in A) (string, A, error) {
			state, err := p.write(ctx, c, op, in)
			return *p.bucket(&in), state, err
		},
		Read: p.read,
		Update: func(ctx context.Context, c *client, op embedded.Op, _ string, _, in A) (A, error) {
			return p.write(ctx, c, op, in)
		},
		Delete: p.delete,
	}
}

func (p part[A]) checkAll(in *A) []embedded.Problem {
	var problems []embedded.Problem
	if *p.bucket(in) == "" {
		problems = append(problems, embedded.Problem{Input: "bucket", Reason: "is required"})
	}
	if p.check != nil {
		problems = append(problems, p.check(in)...)
	}
	return problems
}

func (p part[A]) write(ctx context.Context, c *client, op embedded.Op, in A) (A, error) {
	bucket := *p.bucket(&in)
	if err := c.ownBucket(ctx, op, bucket); err != nil {
		return in, fmt.Errorf("set the %s: %w", p.what, err)
	}
	if err := p.put(ctx, c, in); err != nil {
		return in, c.fail(err, "set the %s of bucket %q", p.what, bucket)
	}
	return in, nil
}

func (p part[A]) read(ctx context.Context, c *client, _ embedded.Op, id string, state A) (A, error) {
	now, err := p.get(ctx, c, id)
	if errors.Is(err, embedded.ErrGone) || isNoBucket(err) || is(err, p.absent...) {
		return state, embedded.ErrGone
	}
	if err != nil {
		return state, c.fail(err, "read the %s of bucket %q", p.what, id)
	}
	*p.bucket(&now) = id
	return now, nil
}

func (p part[A]) delete(ctx context.Context, c *client, op embedded.Op, id string, state A) error {
	if own, err := c.isOwnBucket(ctx, op, id); err != nil || !own {
		return err
	}
	*p.bucket(&state) = id
	if err := p.remove(ctx, c, state); err != nil && !isNoBucket(err) && !is(err, p.absent...) {
		return c.fail(err, "remove the %s of bucket %q", p.what, id)
	}
	return nil
}

// oneOf is a problem unless the value is one of those that S3 knows.
func oneOf[S ~string](input, value string, known []S) []embedded.Problem {
	if slices.Contains(known, S(value)) {
		return nil
	}
	return []embedded.Problem{{Input: input, Reason: fmt.Sprintf("%q is not one of %v", value, known)}}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
