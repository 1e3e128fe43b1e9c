package keycloak

import (
	"context"
	"fmt"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// kind is what the life cycle of a resource type has to know of it. A is its inputs, S its state, which embeds them.
//
// Find, get and the other calls take the inputs to know the realm and what else a thing is in; they return no object
// for a thing that is not there.
type kind[A, S any] struct {
	token string
	// what the thing is called in messages.
	what string

	replace     []string
	deleteFirst bool
	secret      []string
	equal       func(key string, a, b any) bool
	check       func(in *A) []embedded.Problem
	// imports is true when the official ID says where the thing is.
	imports bool

	inputs func(*S) *A
	realm  func(*A) string
	name   func(*A) string
	id     func(admin.Object) string

	mark place
	// declared are the inputs among which a program may write the mark itself; may be nil.
	declared func(*A) attributes
	// protected says that a thing must not be touched whatever its mark says; may be nil.
	protected func(*admin.Client, *A) bool

	// write puts inputs into a representation. Before are those that it was written from last; nil if that is unknown.
	write func(in, before *A, o admin.Object)
	// omit is what a representation has when it is read and must not have when it is written.
	omit []string
	// settle does what is no part of the representation; may be nil. Before is as in write.
	settle func(ctx context.Context, c *admin.Client, in, before *A, o admin.Object) error
	read   func(ctx context.Context, c *admin.Client, o admin.Object, in A) (S, error)

	find   func(ctx context.Context, c *admin.Client, in *A) (admin.Object, error)
	get    func(ctx context.Context, c *admin.Client, in *A, id string) (admin.Object, error)
	post   func(ctx context.Context, c *admin.Client, in *A, o admin.Object) error
	put    func(ctx context.Context, c *admin.Client, in *A, id string, o admin.Object) error
	remove func(ctx context.Context, c *admin.Client, in *A, id string) error
}

func (k *kind[A, S]) resource() embedded.Resource[*admin.Client] {
	return &embedded.Type[*admin.Client, A, S]{
		Token: k.token, Replace: k.replace, DeleteBeforeReplace: k.deleteFirst, Secret: k.secret, Equal: k.equal,
		Check: k.check, Create: k.create, Read: k.refresh, Update: k.update, Delete: k.delete,
	}
}

// claim is nil for a thing that is this stack's.
func (k *kind[A, S]) claim(ctx context.Context, c *admin.Client, op embedded.Op, in *A, o admin.Object) error {
	if k.protected != nil && k.protected(c, in) {
		return &ForeignError{Kind: k.what, Name: k.name(in)}
	}
	owner, err := k.mark.owner(ctx, c, k.realm(in), o)
	switch {
	case err != nil:
		return err
	case owner == op.Owner:
		return nil
	case k.mark == onRealm:
		return &ForeignError{Kind: "realm", Name: k.realm(in), Owner: owner}
	}
	return &ForeignError{Kind: k.what, Name: k.name(in), Owner: owner}
}

func (k *kind[A, S]) checkMark(op embedded.Op, in *A) error {
	if k.declared == nil {
		return nil
	}
	return checkMark(k.declared(in), op.Owner)
}

func (k *kind[A, S]) create(ctx context.Context, c *admin.Client, op embedded.Op, in A) (string, S, error) {
	var none S
	if err := k.checkMark(op, &in); err != nil {
		return "", none, err
	}
	o, before, err := k.make(ctx, c, op, &in)
	if err != nil {
		return "", none, err
	}
	if o, err = k.converge(ctx, c, &in, before, o); err != nil {
		return "", none, err
	}
	s, err := k.read(ctx, c, o, in)
	return k.id(o), s, err
}

// converge brings this stack's thing to the wanted inputs and returns what is there then.
func (k *kind[A, S]) converge(
	ctx context.Context, c *admin.Client, in, before *A, o admin.Object,
) (admin.Object, error) {
	want, err := o.Clone()
	if err != nil {
		return nil, fmt.Errorf("compare %s %s: %w", k.what, k.name(in), err)
	}
	k.write(in, before, want)
	if !want.Equal(o) {
		for _, key := range k.omit {
			delete(want, key)
		}
		id := k.id(o)
		if err := k.put(ctx, c, in, id, want); err != nil {
			return nil, err
		}
		if o, err = k.get(ctx, c, in, id); err != nil {
			return nil, err
		}
		if o == nil {
			return nil, fmt.Errorf("%s %s was deleted by somebody else right now", k.what, k.name(in))
		}
	}
	if k.settle != nil {
		if err := k.settle(ctx, c, in, before, o); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (k *kind[A, S]) refresh(ctx context.Context, c *admin.Client, op embedded.Op, id string, state S) (S, error) {
	if op.Import && !k.imports {
		return state, fmt.Errorf("%s %s cannot be imported: its ID does not say where it is", k.what, id)
	}
	in := k.inputs(&state)
	o, err := k.get(ctx, c, in, id)
	if err != nil {
		return state, err
	}
	if o == nil {
		return state, embedded.ErrGone
	}
	if err := k.claim(ctx, c, op, in, o); err != nil {
		if isForeign(err) && !op.Import {
			return state, embedded.ErrGone // ours is gone; what has its name now is somebody else's
		}
		return state, err
	}
	return k.read(ctx, c, o, *in)
}

func (k *kind[A, S]) update(
	ctx context.Context, c *admin.Client, op embedded.Op, id string, old S, in A,
) (S, error) {
	if err := k.checkMark(op, &in); err != nil {
		return old, err
	}
	o, err := k.get(ctx, c, &in, id)
	if err != nil {
		return old, err
	}
	if o == nil {
		return old, fmt.Errorf("%s %s does not exist any more", k.what, k.name(&in))
	}
	if err := k.claim(ctx, c, op, &in, o); err != nil {
		return old, err
	}
	if o, err = k.converge(ctx, c, &in, k.inputs(&old), o); err != nil {
		return old, err
	}
	return k.read(ctx, c, o, in)
}

func (k *kind[A, S]) delete(ctx context.Context, c *admin.Client, op embedded.Op, id string, state S) error {
	in := k.inputs(&state)
	o, err := k.get(ctx, c, in, id)
	if err != nil || o == nil {
		return err
	}
	if err := k.claim(ctx, c, op, in, o); err != nil {
		if isForeign(err) {
			return nil
		}
		return err
	}
	return k.remove(ctx, c, in, id)
}
