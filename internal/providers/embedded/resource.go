package embedded

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// Resource is a resource type as a provider serves it. It is made from a [Type]; nothing else implements it.
type Resource[Client any] interface {
	// Serve returns the type's parts as the provider calls them.
	Serve() Served[Client]
}

// Served is what a provider calls of a resource type: the inputs and the state are no Go types any more.
type Served[Client any] struct {
	token         string
	unknownInputs func(news resource.PropertyMap) []string
	check         func(news resource.PropertyMap, bridged bool) (resource.PropertyMap, []plugin.CheckFailure)
	diff          func(olds, news resource.PropertyMap) plugin.DiffResult
	preview       func(inputs resource.PropertyMap) resource.PropertyMap
	create        func(ctx context.Context, c Client, op Op, inputs resource.PropertyMap) (string, resource.PropertyMap, error)
	read          func(ctx context.Context, c Client, op Op, req plugin.ReadRequest) (plugin.ReadResult, error)
	update        func(ctx context.Context, c Client, op Op, req plugin.UpdateRequest) (resource.PropertyMap, error)
	remove        func(ctx context.Context, c Client, op Op, req plugin.DeleteRequest) error
}

// Type describes one resource type by its inputs A and its state S, both structs with json tags. The state repeats
// the inputs under the same names (embed A in S) and adds what only the server knows.
//
// Rules for tags: an input that a program may leave out has omitempty; so has its field in the state.
type Type[Client, A, S any] struct {
	// Token is the full type token, e.g. "postgresql:index/role:Role".
	Token string
	// Replace lists the inputs whose change makes a new thing.
	Replace []string
	// DeleteBeforeReplace is for things whose name is taken until the old one is gone.
	DeleteBeforeReplace bool
	// Secret lists outputs that are always secret.
	Secret []string
	// Meta is the hidden output __meta of the official plugin, if it has one.
	Meta string
	// Equal says that two values of an input mean the same though they differ (order, case); may be nil.
	Equal func(key string, a, b any) bool

	// Check fills in defaults and validates; it returns what is wrong. May be nil. It is not called while an input is
	// still unknown.
	Check func(inputs *A) []Problem
	// Create makes the thing, or adopts what the same owner made before. It returns the ID and what is there now.
	Create func(ctx context.Context, c Client, op Op, inputs A) (string, S, error)
	// Read returns what is there now, or ErrGone. With op.Import only the ID is known.
	Read func(ctx context.Context, c Client, op Op, id string, state S) (S, error)
	// Update changes the thing in place. May be nil when every input is in Replace.
	Update func(ctx context.Context, c Client, op Op, id string, old S, inputs A) (S, error)
	// Delete removes the thing; a thing that is gone is no error, one of another owner is left alone.
	Delete func(ctx context.Context, c Client, op Op, id string, state S) error
}

// Problem is one input that cannot be accepted, and why.
type Problem struct{ Input, Reason string }

// Serve makes the type one that a provider can serve.
func (t *Type[C, A, S]) Serve() Served[C] {
	return Served[C]{
		token: t.Token, unknownInputs: unknownKeys[A], check: t.check, diff: t.diff, preview: t.preview,
		create: t.create, read: t.read, update: t.update, remove: t.remove,
	}
}

func (t *Type[C, A, S]) check(
	news resource.PropertyMap, bridged bool,
) (resource.PropertyMap, []plugin.CheckFailure) {
	if visible(news).ContainsUnknowns() {
		return news, nil
	}
	inputs, err := decode[A](news)
	if err != nil {
		return news, []plugin.CheckFailure{{Reason: err.Error()}}
	}
	var failures []plugin.CheckFailure
	if t.Check != nil {
		for _, p := range t.Check(&inputs) {
			failures = append(failures, plugin.CheckFailure{Property: resource.PropertyKey(p.Input), Reason: p.Reason})
		}
	}
	checked, err := encode(inputs)
	if err != nil {
		return news, append(failures, plugin.CheckFailure{Reason: err.Error()})
	}
	keepSecrets(checked, news)
	if bridged {
		markDefaults(checked, news, reflect.TypeFor[A]())
	}
	return checked, failures
}

func (t *Type[C, A, S]) diff(olds, news resource.PropertyMap) plugin.DiffResult {
	res := diffInputs(olds, news, t.Equal)
	for _, key := range res.ChangedKeys {
		if slices.Contains(t.Replace, string(key)) {
			res.ReplaceKeys = append(res.ReplaceKeys, key)
			d := res.DetailedDiff[string(key)]
			d.Kind = d.Kind.AsReplace()
			res.DetailedDiff[string(key)] = d
		}
	}
	res.DeleteBeforeReplace = t.DeleteBeforeReplace && len(res.ReplaceKeys) > 0
	return res
}

// preview is the state as far as it is known before the thing exists: the inputs, and unknown for the rest.
func (t *Type[C, A, S]) preview(inputs resource.PropertyMap) resource.PropertyMap {
	out := visible(inputs).Copy()
	for _, key := range jsonKeys[S]() {
		if _, ok := out[resource.PropertyKey(key)]; !ok && !slices.Contains(jsonKeys[A](), key) {
			out[resource.PropertyKey(key)] = resource.MakeComputed(resource.NewStringProperty(""))
		}
	}
	return out
}

func (t *Type[C, A, S]) create(
	ctx context.Context, c C, op Op, props resource.PropertyMap,
) (string, resource.PropertyMap, error) {
	inputs, err := decode[A](props)
	if err != nil {
		return "", nil, err
	}
	id, state, err := t.Create(ctx, c, op, inputs)
	if err != nil {
		return "", nil, err
	}
	out, err := t.outputs(state, props)
	return id, out, err
}

func (t *Type[C, A, S]) read(ctx context.Context, c C, op Op, req plugin.ReadRequest) (plugin.ReadResult, error) {
	op.Import = len(req.Inputs) == 0
	state, err := decodeState[S](req.State)
	if err != nil {
		return plugin.ReadResult{}, err
	}
	state, err = t.Read(ctx, c, op, string(req.ID), state)
	if err != nil {
		return plugin.ReadResult{}, err
	}
	outputs, err := t.outputs(state, req.State)
	if err != nil {
		return plugin.ReadResult{}, err
	}
	return plugin.ReadResult{ID: req.ID, Inputs: t.readInputs(req.Inputs, outputs, op.Import), Outputs: outputs}, nil
}

// readInputs is what the inputs would have to be to describe what is there now: the difference to the program's
// inputs is the drift. A value that only looks different keeps its old form.
func (t *Type[C, A, S]) readInputs(olds, outputs resource.PropertyMap, all bool) resource.PropertyMap {
	inputs := olds.Copy()
	for _, name := range jsonKeys[A]() {
		key := resource.PropertyKey(name)
		old, had := olds[key]
		now, has := outputs[key]
		switch {
		case !has && had:
			delete(inputs, key)
		case has && (had || all):
			if !had || !t.same(name, old, now) {
				inputs[key] = now
			}
		}
	}
	return inputs
}

func (t *Type[C, A, S]) same(key string, a, b resource.PropertyValue) bool {
	return same(key, a, b, t.Equal)
}

func (t *Type[C, A, S]) update(
	ctx context.Context, c C, op Op, req plugin.UpdateRequest,
) (resource.PropertyMap, error) {
	if t.Update == nil {
		return nil, fmt.Errorf("%s cannot be updated in place", t.Token)
	}
	old, err := decodeState[S](req.OldOutputs)
	if err != nil {
		return nil, err
	}
	inputs, err := decode[A](req.NewInputs)
	if err != nil {
		return nil, err
	}
	state, err := t.Update(ctx, c, op, string(req.ID), old, inputs)
	if err != nil {
		return nil, err
	}
	return t.outputs(state, req.NewInputs)
}

func (t *Type[C, A, S]) remove(ctx context.Context, c C, op Op, req plugin.DeleteRequest) error {
	state, err := decodeState[S](req.Outputs)
	if err != nil {
		return err
	}
	return t.Delete(ctx, c, op, string(req.ID), state)
}

// outputs is the state as properties; what was secret in from, and what always is, stays secret.
func (t *Type[C, A, S]) outputs(state S, from resource.PropertyMap) (resource.PropertyMap, error) {
	out, err := encode(state)
	if err != nil {
		return nil, err
	}
	keepSecrets(out, from)
	for _, name := range t.Secret {
		key := resource.PropertyKey(name)
		if v, ok := out[key]; ok && !v.IsSecret() && !v.IsNull() {
			out[key] = resource.MakeSecret(v)
		}
	}
	if t.Meta != "" {
		out["__meta"] = resource.NewStringProperty(t.Meta)
	}
	return out, nil
}

// hidden says that a property is the engine's or the bridge's own, not the program's.
func hidden(key resource.PropertyKey) bool { return strings.HasPrefix(string(key), "__") }
