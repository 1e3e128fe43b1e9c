package embedded

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// store is the server of the tests: things by name.
type store struct{ things map[string]thing }

type thingArgs struct {
	Name   string            `json:"name"`
	Size   *int              `json:"size,omitempty"`
	Colour string            `json:"colour,omitempty"`
	Words  []string          `json:"words,omitempty"`
	Tags   map[string]string `json:"tags,omitempty"`
}

type thing struct {
	thingArgs

	Address string `json:"address"`
}

type config struct {
	Host string `json:"host,omitempty"`
	Port int    `json:"port,omitempty"`
}

const (
	token = "box:index:Thing"
	urn   = resource.URN("urn:pulumi:dev::shop::" + token + "::first")
)

// newProvider serves things; change alters the type first.
func newProvider(t *testing.T, change func(*Type[*store, thingArgs, thing])) (plugin.Provider, *store) {
	t.Helper()
	s := &store{things: map[string]thing{}}
	typ := &Type[*store, thingArgs, thing]{
		Token: token, Replace: []string{"name"}, DeleteBeforeReplace: true, Secret: []string{"address"}, Meta: `{"schema_version":"1"}`,
		Equal: func(key string, a, b any) bool {
			return key == "colour" && strings.EqualFold(fmt.Sprint(a), fmt.Sprint(b))
		},
		Check: func(a *thingArgs) []Problem {
			if a.Size == nil {
				a.Size = new(3)
			}
			if *a.Size < 0 {
				return []Problem{{"size", "must not be negative"}}
			}
			return nil
		},
		Create: func(_ context.Context, s *store, op Op, a thingArgs) (string, thing, error) {
			s.things[a.Name] = thing{thingArgs: a, Address: op.Owner + "/" + a.Name}
			return a.Name, s.things[a.Name], nil
		},
		Read: func(_ context.Context, s *store, _ Op, id string, _ thing) (thing, error) {
			if x, ok := s.things[id]; ok {
				return x, nil
			}
			return thing{}, fmt.Errorf("look for %s: %w", id, ErrGone)
		},
		Update: func(_ context.Context, s *store, _ Op, id string, old thing, a thingArgs) (thing, error) {
			old.thingArgs = a
			s.things[id] = old
			return old, nil
		},
		Delete: func(_ context.Context, s *store, _ Op, id string, _ thing) error {
			if _, ok := s.things[id]; !ok {
				return ErrGone
			}
			delete(s.things, id)
			return nil
		},
	}
	if change != nil {
		change(typ)
	}
	p := New(Spec[config, *store]{
		Package: "box", Version: "1.2.3", Bridged: true,
		Configure: func(_ context.Context, c config) (*store, error) {
			if c.Port == 1 {
				return nil, errors.New("boom")
			}
			return s, nil
		},
		Close:     func(s *store) { s.things = nil },
		Resources: []Resource[*store]{typ},
	})
	if _, err := p.Configure(t.Context(), plugin.ConfigureRequest{}); err != nil {
		t.Fatal(err)
	}
	return p, s
}

func props(m map[string]any) resource.PropertyMap { return resource.NewPropertyMapFromMap(m) }

func unknown() resource.PropertyValue {
	return resource.MakeComputed(resource.NewStringProperty(""))
}

func check(t *testing.T, p plugin.Provider, in resource.PropertyMap) plugin.CheckResponse {
	t.Helper()
	res, err := p.Check(t.Context(), plugin.CheckRequest{URN: urn, News: in})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestCheck(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		in     resource.PropertyMap
		want   string // the failure, or empty
	}{
		"Fine":       {"Defaults are filled in.", props(map[string]any{"name": "a"}), ""},
		"Unknown":    {"An input that would be ignored is named.", props(map[string]any{"name": "a", "title": "b"}), `input "title" is not supported by the embedded box provider`},
		"Type":       {"A wrong type names the field.", props(map[string]any{"name": "a", "size": "big"}), "size"},
		"Problem":    {"The type's own check runs.", props(map[string]any{"name": "a", "size": -1}), "must not be negative"},
		"NotYet":     {"What is not known yet is not checked.", resource.PropertyMap{"name": unknown(), "size": resource.NewNumberProperty(-1)}, ""},
		"UnknownTwo": {"An unsupported input is refused even while others are unknown.", resource.PropertyMap{"name": unknown(), "x": unknown()}, `"x"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := newProvider(t, nil)
			res := check(t, p, tc.in)
			var reasons []string
			for _, f := range res.Failures {
				reasons = append(reasons, f.Reason)
			}
			got := strings.Join(reasons, "; ")
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("%s failures = %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

func TestCheckDefaults(t *testing.T) {
	t.Parallel()
	p, _ := newProvider(t, nil)
	in := props(map[string]any{"name": "a", "tags": map[string]any{"k": "v"}})
	in["colour"] = resource.MakeSecret(resource.NewStringProperty("red"))
	got := check(t, p, in).Properties
	if got["size"].NumberValue() != 3 || !got["colour"].IsSecret() {
		t.Errorf("size = %v, colour secret = %t", got["size"], got["colour"].IsSecret())
	}
	want := []resource.PropertyValue{resource.NewStringProperty("size")}
	if d := cmp.Diff(want, got["__defaults"].ArrayValue()); d != "" {
		t.Errorf("__defaults (-want +got):\n%s", d)
	}
	again := check(t, p, got).Properties
	if res := diffInputs(got, again, nil); res.Changes != plugin.DiffNone {
		t.Errorf("checking twice is not the same as once: %v", res.ChangedKeys)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	type m = map[string]any
	base := m{"name": "a", "size": 1, "colour": "Red", "words": []any{"x"}}
	with := func(change m) resource.PropertyMap {
		out := m{}
		maps.Copy(out, base)
		for k, v := range change {
			if out[k] = v; v == nil {
				delete(out, k)
			}
		}
		return props(out)
	}
	cases := map[string]struct {
		reason        string
		news          resource.PropertyMap
		changed       []string
		replace, gone bool
	}{
		"Same":    {"Nothing to do.", with(m{}), nil, false, false},
		"Equal":   {"It only looks different.", with(m{"colour": "RED"}), nil, false, false},
		"Hidden":  {"The bridge's own key is no change.", with(m{"__defaults": []any{"size"}}), nil, false, false},
		"Update":  {"In place.", with(m{"size": 2}), []string{"size"}, false, false},
		"Add":     {"A new input.", with(m{"tags": m{"a": "b"}}), []string{"tags"}, false, false},
		"Remove":  {"A removed one.", with(m{"words": nil}), []string{"words"}, false, false},
		"Replace": {"A new thing, the old one first gone.", with(m{"name": "b"}), []string{"name"}, true, true},
	}
	p, _ := newProvider(t, nil)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := p.Diff(t.Context(), plugin.DiffRequest{URN: urn, OldInputs: with(nil), NewInputs: tc.news})
			if err != nil {
				t.Fatal(err)
			}
			var changed []string
			for _, k := range res.ChangedKeys {
				changed = append(changed, string(k))
			}
			if !slices.Equal(changed, tc.changed) || (len(res.ReplaceKeys) > 0) != tc.replace || res.DeleteBeforeReplace != tc.gone {
				t.Errorf("%s changed %v, replace %v, delete first %t", tc.reason, changed, res.ReplaceKeys, res.DeleteBeforeReplace)
			}
		})
	}
	res, err := p.Diff(t.Context(), plugin.DiffRequest{URN: urn, OldInputs: with(nil), NewInputs: resource.PropertyMap{
		"name": resource.NewStringProperty("a"), "size": unknown(), "colour": resource.NewStringProperty("Red"), "words": with(nil)["words"],
	}})
	if err != nil || res.Changes != plugin.DiffSome {
		t.Errorf("an unknown value may be a change: %v %v", res, err)
	}
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	p, s := newProvider(t, nil)
	ctx := t.Context()
	in := check(t, p, props(map[string]any{"name": "a", "colour": "red"})).Properties

	preview, err := p.Create(ctx, plugin.CreateRequest{URN: urn, Properties: in, Preview: true})
	if err != nil || len(s.things) != 0 || !preview.Properties["address"].IsComputed() {
		t.Fatalf("preview = %v, %v; it must make nothing and not know the address", preview.Properties, err)
	}
	made, err := p.Create(ctx, plugin.CreateRequest{URN: urn, Properties: in})
	if err != nil {
		t.Fatal(err)
	}
	address := made.Properties["address"]
	if !address.IsSecret() || address.SecretValue().Element.StringValue() != "shop/dev/a" {
		t.Errorf("address = %v, want the owner's, secret", address)
	}
	if made.Properties["__meta"].StringValue() != `{"schema_version":"1"}` {
		t.Errorf("__meta = %v", made.Properties["__meta"])
	}
	read := func() plugin.ReadResponse {
		t.Helper()
		res, err := p.Read(ctx, plugin.ReadRequest{URN: urn, ID: made.ID, Inputs: in, State: made.Properties})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	if res := read(); diffInputs(in, res.Inputs, nil).Changes != plugin.DiffNone {
		t.Errorf("a refresh without drift changed the inputs: %v", res.Inputs)
	}
	x := s.things["a"]
	x.Colour, x.Size = "RED", new(9)
	s.things["a"] = x
	if res := read(); res.Inputs["size"].NumberValue() != 9 || res.Inputs["colour"].StringValue() != "red" {
		t.Errorf("inputs = %v; want the drift of size, and colour as the program writes it", res.Inputs)
	}
	imported, err := p.Read(ctx, plugin.ReadRequest{URN: urn, ID: made.ID})
	if err != nil || imported.Inputs["name"].StringValue() != "a" {
		t.Errorf("import = %v, %v", imported.Inputs, err)
	}
	news := check(t, p, props(map[string]any{"name": "a", "size": 5})).Properties
	updated, err := p.Update(ctx, plugin.UpdateRequest{URN: urn, ID: made.ID, OldOutputs: made.Properties, NewInputs: news})
	if err != nil || updated.Properties["size"].NumberValue() != 5 || !updated.Properties["address"].IsSecret() {
		t.Errorf("update = %v, %v", updated.Properties, err)
	}
	for range 2 { // a thing that is gone is no error
		if _, err := p.Delete(ctx, plugin.DeleteRequest{URN: urn, ID: made.ID, Outputs: updated.Properties}); err != nil {
			t.Fatal(err)
		}
	}
	if res := read(); res.Outputs != nil {
		t.Errorf("read = %v, want nothing", res.Outputs)
	}
}

func TestNoUpdate(t *testing.T) {
	t.Parallel()
	p, _ := newProvider(t, func(typ *Type[*store, thingArgs, thing]) { typ.Update = nil })
	_, err := p.Update(t.Context(), plugin.UpdateRequest{URN: urn, NewInputs: props(map[string]any{"name": "a"})})
	if err == nil || !strings.Contains(err.Error(), "cannot be updated in place") {
		t.Errorf("error = %v", err)
	}
}

// TestCancel holds that waiting operations end when the run is cancelled, with the one error that says so.
func TestCancel(t *testing.T) {
	t.Parallel()
	waiting := make(chan struct{})
	p, _ := newProvider(t, func(typ *Type[*store, thingArgs, thing]) {
		typ.Create = func(ctx context.Context, _ *store, _ Op, _ thingArgs) (string, thing, error) {
			close(waiting)
			<-ctx.Done()
			return "", thing{}, errors.New("what a driver makes of it")
		}
	})
	done := make(chan error, 1)
	go func() {
		_, err := p.Create(t.Context(), plugin.CreateRequest{URN: urn, Properties: props(map[string]any{"name": "a"})})
		done <- err
	}()
	<-waiting
	if err := p.SignalCancellation(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("still waiting")
	}
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	p, _ := newProvider(t, nil)
	ctx := t.Context()
	res, err := p.CheckConfig(ctx, plugin.CheckConfigRequest{News: props(map[string]any{"host": "h", "port": "5432", "version": "1.2.3"})})
	if err != nil || len(res.Failures) > 0 {
		t.Errorf("a number as an SDK writes it: %v %v", res.Failures, err)
	}
	for want, in := range map[string]map[string]any{"hots": {"hots": "h"}, "port": {"port": "many"}} {
		res, err := p.CheckConfig(ctx, plugin.CheckConfigRequest{News: props(in)})
		if err != nil || len(res.Failures) != 1 || !strings.Contains(res.Failures[0].Reason, want) {
			t.Errorf("failures = %v, want one with %q; %v", res.Failures, want, err)
		}
	}
	_, err = p.Configure(ctx, plugin.ConfigureRequest{Inputs: props(map[string]any{"port": 1})})
	if err == nil || err.Error() != "configure provider box: boom" {
		t.Errorf("error = %v", err)
	}
	info, err := p.GetPluginInfo(ctx)
	if err != nil || info.Version.String() != "1.2.3" || info.Name != "box" {
		t.Errorf("plugin = %v, %v", info, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = p.Delete(ctx, plugin.DeleteRequest{URN: urn, ID: "a"})
	if err == nil || !strings.Contains(err.Error(), "provider box is not configured") {
		t.Errorf("after Close: %v", err)
	}
}

func TestUnservedType(t *testing.T) {
	t.Parallel()
	p, _ := newProvider(t, nil)
	_, err := p.Check(t.Context(), plugin.CheckRequest{URN: "urn:pulumi:dev::shop::box:index:Other::x"})
	if err == nil || !strings.Contains(err.Error(), "does not serve box:index:Other") {
		t.Errorf("error = %v", err)
	}
}
