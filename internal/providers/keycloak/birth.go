package keycloak

import (
	"context"
	"fmt"
	"time"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// How often, and how far apart, a create looks again for a thing that may have been made.
const (
	looks     = 6
	lookAfter = 250 * time.Millisecond
)

// birth is how far a create is.
type birth[A any] struct {
	// from are the inputs that the thing was made from, once an answer says so.
	from *A
	// last is the answer to the last POST that may have made it all the same.
	last error
	// lost is true when there was no answer to a POST, or one that says nothing.
	lost bool
}

// make finds this stack's thing of the name, or creates it. Before are the inputs that it was made from, if it was made
// right now.
//
// A POST whose answer was lost is not simply sent again: the thing is looked for, which also decides whose it is when
// somebody else was faster.
func (k *kind[A, S]) make(
	ctx context.Context, c *admin.Client, op embedded.Op, in *A,
) (o admin.Object, before *A, err error) {
	if k.mark == onRealm { // there is nothing to look at before the thing is there
		if err := k.claim(ctx, c, op, in, nil); err != nil {
			return nil, nil, err
		}
	}
	var b birth[A]
	for look := 0; ; look++ {
		o, err := k.find(ctx, c, in)
		if err != nil {
			return nil, nil, err
		}
		if o != nil {
			return o, b.from, k.claim(ctx, c, op, in, o)
		}
		if look > 0 {
			if look == looks || b.last != nil && !b.lost {
				return nil, nil, k.missing(in, b)
			}
			if err := wait(ctx, lookAfter); err != nil {
				return nil, nil, err
			}
		}
		if err := k.bear(ctx, c, op, in, &b); err != nil {
			return nil, nil, err
		}
	}
}

// bear sends the POST, unless that has succeeded. It is no error if the thing may be there now.
func (k *kind[A, S]) bear(ctx context.Context, c *admin.Client, op embedded.Op, in *A, b *birth[A]) error {
	if b.from != nil {
		return nil
	}
	err := k.post(ctx, c, in, k.fresh(op, in))
	switch {
	case err == nil:
		b.from = in
	case admin.IsLost(err), admin.IsTroubled(err), admin.IsConflict(err), b.lost && admin.IsRejected(err):
		b.last, b.lost = err, b.lost || admin.IsLost(err) || admin.IsTroubled(err)
	default:
		return err
	}
	return nil
}

// missing says why there is no thing of the name. A conflict that no lost POST explains is with a thing of another name:
// a user's e-mail address is taken.
func (k *kind[A, S]) missing(in *A, b birth[A]) error {
	if b.from == nil {
		return b.last
	}
	return fmt.Errorf("%s %s was created, but is not found by its name", k.what, k.name(in))
}

// fresh is the representation of a thing that is to be created.
func (k *kind[A, S]) fresh(op embedded.Op, in *A) admin.Object {
	o := admin.Object{}
	k.write(in, nil, o)
	k.mark.set(o, op.Owner)
	return o
}
