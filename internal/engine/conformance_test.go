package engine_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/engine/command"
	"plattr.dev/plattr/internal/engine/enginetest"
	"plattr.dev/plattr/internal/testutil"
)

// step is one operation of a scenario; before changes the files behind the engine's back.
type step struct {
	op      string // up, preview, destroy, refresh
	refresh bool
	program pulumi.RunFunc
	before  func(dir string) error
}

// outcome is what can be seen of a step: everything here must be the same on the stock CLI and on ours.
type outcome struct {
	Error   string
	Changes map[string]int
	Drift   map[string]bool // by name, true: gone
	Outputs map[string]engine.Output
	History []string
	State   string
	Files   map[string]string
}

const phrase = "conformance"

// TestConformance runs the same programs through the stock CLI and through the linked engine, as Engine and as
// auto.Stack, and compares after every step.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("the stock CLI takes a minute")
	}
	t.Parallel()
	cli := testutil.Tool(t, "pulumi")
	for name, steps := range scenarios() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			linked := ""
			stock, ours := newConform(t, &cli), newConform(t, &linked)
			api := newAutoConform(t)
			for i, s := range steps {
				want := stock.do(t, s)
				if diff := gocmp.Diff(want, ours.do(t, s)); diff != "" {
					t.Errorf("step %d, %s: the linked engine differs (-stock +ours):\n%s", i, s.op, diff)
				}
				got := api.do(t, s)
				want.Drift = nil // the Automation API does not report it
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Errorf("step %d, %s: auto.Stack on the linked engine differs (-stock +ours):\n%s", i, s.op, diff)
				}
			}
		})
	}
}

func scenarios() map[string][]step {
	ab := func(a, b string) pulumi.RunFunc { return files(map[string]string{"a": a, "b": b}) }
	one := func(args pulumi.Map, opts ...pulumi.ResourceOption) pulumi.RunFunc {
		return func(ctx *pulumi.Context) error { _, err := enginetest.NewFile(ctx, "a", args, opts...); return err }
	}
	content := func(s string) pulumi.Map { return pulumi.Map{"content": pulumi.String(s)} }
	named := func(s string) pulumi.Map { return pulumi.Map{"name": pulumi.String(s)} }
	set := func(name, content string) func(string) error {
		return func(dir string) error { return enginetest.Set(dir, name, content) }
	}
	gone := func(name string) func(string) error {
		return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
	}
	return map[string][]step{
		"Life": {
			{op: "preview", program: ab("1", "2")},
			{op: "up", program: ab("1", "2")},
			{op: "up", program: ab("1", "2")},
			{op: "up", program: ab("1", "changed")},
			{op: "up", program: files(map[string]string{"a": "1"})},
			{op: "destroy"},
		},
		"Replace":             {{op: "up", program: one(named("x"))}, {op: "up", program: one(named("y"))}},
		"DeleteBeforeReplace": {{op: "up", program: one(named("x"))}, {op: "up", program: one(named("y"), pulumi.DeleteBeforeReplace(true))}},
		"FailedStep": {
			{op: "up", program: one(pulumi.Map{"fail": pulumi.String("no space")})},
			{op: "up", program: one(nil)},
			{op: "up", program: one(pulumi.Map{"fail": pulumi.String("no space")})},
			{op: "up", program: one(nil)},
		},
		"Refused": {{op: "up", program: func(ctx *pulumi.Context) error {
			return ctx.RegisterResource(enginetest.Type, "a", pulumi.Map{}, &enginetest.File{}, pulumi.Version("1.0.0"))
		}}},
		"ProgramError": {{op: "up", program: func(*pulumi.Context) error { return errBoom }}},
		"Refresh": {
			{op: "up", program: ab("1", "2")},
			{op: "refresh", before: set("a", "changed")},
			{op: "refresh", before: gone("b")},
			{op: "up", program: ab("1", "2")},
			{op: "up", refresh: true, program: ab("1", "2"), before: gone("a")},
			{op: "up", refresh: true, program: ab("1", "2"), before: set("b", "changed")},
		},
		"Import": {
			{op: "up", program: one(content("here")), before: func(dir string) error {
				return os.WriteFile(filepath.Join(dir, "b"), []byte(`{"urn":"","content":"there"}`), 0o600)
			}},
			{op: "up", program: func(ctx *pulumi.Context) error {
				_, err := enginetest.NewFile(ctx, "b", content("there"), pulumi.Import(pulumi.ID("b")))
				return err
			}},
		},
		"Secrets": {
			{op: "up", program: func(ctx *pulumi.Context) error {
				f, err := enginetest.NewFile(ctx, "a", pulumi.Map{"content": pulumi.ToSecret(pulumi.String("hidden"))})
				if err != nil {
					return err
				}
				ctx.Export("content", f.Content)
				ctx.Export("open", f.Size)
				return nil
			}},
			{op: "up", program: one(content("hidden"))},
		},
		"Protect": {
			{op: "up", program: one(nil, pulumi.Protect(true))},
			{op: "destroy"},
			{op: "up", program: func(*pulumi.Context) error { return nil }},
			{op: "up", program: one(nil)},
			{op: "destroy"},
		},
		"IgnoreChanges": {
			{op: "up", program: one(content("1"))},
			{op: "up", program: one(content("2"), pulumi.IgnoreChanges([]string{"content"}))},
			{op: "up", program: one(content("2"))},
		},
		"Aliases": {
			{op: "up", program: one(named("x"))},
			{op: "up", program: func(ctx *pulumi.Context) error {
				_, err := enginetest.NewFile(ctx, "renamed", named("x"), pulumi.Aliases([]pulumi.Alias{{Name: pulumi.String("a")}}))
				return err
			}},
		},
		"DependsOn": {
			{op: "up", program: chain(pulumi.Map{})},
			{op: "up", program: chain(pulumi.Map{"fail": pulumi.String("broken")})},
			{op: "destroy"},
		},
	}
}

// chain is three files that depend on each other, within a component; middle are the inputs of the second.
func chain(middle pulumi.Map) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		group := &pulumi.ResourceState{}
		if err := ctx.RegisterComponentResource("test:index:Group", "group", group); err != nil {
			return err
		}
		a, err := enginetest.NewFile(ctx, "a", nil, pulumi.Parent(group))
		if err != nil {
			return err
		}
		inputs := maps.Clone(middle)
		inputs["content"] = a.Size.ApplyT(func(int) string { return "after a" }).(pulumi.StringOutput)
		b, err := enginetest.NewFile(ctx, "b", inputs, pulumi.Parent(group))
		if err != nil {
			return err
		}
		_, err = enginetest.NewFile(ctx, "c", nil, pulumi.Parent(group), pulumi.DependsOn([]pulumi.Resource{b}))
		return err
	}
}

// conform runs steps through an Engine.
type conform struct {
	place
}

func newConform(t *testing.T, cli *string) conform {
	t.Helper()
	return conform{newPlace(t, func(o *engine.Options) {
		o.Pulumi = cli
		o.Passphrase = func() (string, error) { return phrase, nil }
	})}
}

func (c conform) do(t *testing.T, s step) outcome {
	t.Helper()
	if s.before != nil {
		if err := s.before(c.files); err != nil {
			t.Fatal(err)
		}
	}
	o := engine.RunOptions{Refresh: s.refresh}
	var res engine.Result
	var err error
	switch s.op {
	case "up":
		res, err = c.Up(t.Context(), "dev", s.program, o)
	case "preview":
		res, err = c.Preview(t.Context(), "dev", s.program, o)
	case "destroy":
		res, err = c.Destroy(t.Context(), "dev", o)
	case "refresh":
		res, err = c.Refresh(t.Context(), "dev", o)
	}
	if err != nil {
		t.Logf("%s: %v", s.op, err)
	}
	out := outcome{Error: class(err), Changes: res.Changes, Drift: map[string]bool{}}
	for _, d := range res.Drift {
		out.Drift[d.Name] = d.Gone
	}
	out.observe(t, c.place, s.op == "preview")
	return out
}

// observe reads what a step left behind.
func (o *outcome) observe(t *testing.T, p place, preview bool) {
	t.Helper()
	var err error
	if o.Files, err = enginetest.Files(p.files); err != nil {
		t.Fatal(err)
	}
	if preview {
		return // the stock CLI needs an empty stack for one, we do not
	}
	if o.Outputs, err = p.Outputs(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	runs, err := p.History(t.Context(), "dev", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		raw, err := json.Marshal([]any{r.Kind, r.Succeeded, r.Changes})
		if err != nil {
			t.Fatal(err)
		}
		o.History = append(o.History, string(raw))
	}
	d, err := p.Export(t.Context(), "dev")
	if err != nil {
		t.Fatal(err)
	}
	o.State = normal(t, d)
}

// class names the kind of an error: its sentinels, and the cause that a provider or the program gave.
func class(err error) string {
	if err == nil {
		return ""
	}
	for _, c := range []struct { // in this order: a protected resource is one that failed, too
		name     string
		sentinel error
	}{
		{"protected", engine.ErrProtected},
		{"resource", engine.ErrResourceFailed},
		{"locked", engine.ErrLocked},
		{"decrypt", engine.ErrDecrypt},
		{"absent", engine.ErrStackNotFound},
	} {
		if errors.Is(err, c.sentinel) {
			return c.name + causes(err.Error())
		}
	}
	return "other" + causes(err.Error())
}

func causes(text string) string {
	var found strings.Builder
	for _, c := range []string{"no space", "broken", "boom", "name is required"} {
		if strings.Contains(text, c) {
			found.WriteString(": " + c)
		}
	}
	return found.String()
}

// normal prints a deployment without what differs between two runs: times, positions, ciphers, and the order of
// resources that do not depend on each other.
func normal(t *testing.T, d apitype.UntypedDeployment) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(d.Deployment, &v); err != nil {
		t.Fatal(err)
	}
	v["manifest"] = nil
	if s, ok := v["secrets_providers"].(map[string]any); ok {
		s["state"] = nil
	}
	list, _ := v["resources"].([]any)
	for _, r := range list {
		res := r.(map[string]any)
		for _, k := range []string{"created", "modified", "sourcePosition", "stackTrace"} {
			delete(res, k)
		}
		hideCiphers(res)
	}
	slices.SortStableFunc(list, func(a, b any) int {
		return cmp.Compare(a.(map[string]any)["urn"].(string), b.(map[string]any)["urn"].(string))
	})
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return providerID.ReplaceAllString(out.String(), "PROVIDER-ID")
}

func hideCiphers(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["ciphertext"]; ok {
			v["ciphertext"] = "CIPHER"
		}
		for _, x := range v {
			hideCiphers(x)
		}
	case []any:
		for _, x := range v {
			hideCiphers(x)
		}
	}
}

// autoConform runs steps through auto.Stack with the linked engine as its command.
type autoConform struct {
	place
	command *command.Command
}

func newAutoConform(t *testing.T) autoConform {
	t.Helper()
	p := newPlace(t, func(o *engine.Options) { o.Passphrase = func() (string, error) { return phrase, nil } })
	return autoConform{place: p, command: command.New(command.Options{
		Providers: map[string]func() plugin.Provider{enginetest.Package: enginetest.New(p.files)},
	})}
}

func (c autoConform) stack(ctx context.Context, t *testing.T, program pulumi.RunFunc) auto.Stack {
	t.Helper()
	s, err := auto.UpsertStackInlineSource(ctx, "dev", "shop", program,
		auto.Pulumi(c.command),
		auto.Project(workspace.Project{
			Name: "shop", Runtime: workspace.NewProjectRuntimeInfo("go", nil),
			Backend: &workspace.ProjectBackend{URL: engine.FileURL(c.state)},
		}),
		auto.EnvVars(map[string]string{"PULUMI_CONFIG_PASSPHRASE": phrase}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (c autoConform) do(t *testing.T, s step) outcome {
	t.Helper()
	if s.before != nil {
		if err := s.before(c.files); err != nil {
			t.Fatal(err)
		}
	}
	st := c.stack(t.Context(), t, s.program)
	var out outcome
	var changes map[string]int
	var err error
	switch s.op {
	case "up":
		var opts []optup.Option
		if s.refresh {
			opts = append(opts, optup.Refresh())
		}
		_, err = st.Up(t.Context(), opts...)
	case "preview":
		var res auto.PreviewResult
		res, err = st.Preview(t.Context())
		changes = map[string]int{}
		for op, n := range res.ChangeSummary {
			changes[string(op)] = n
		}
	case "destroy":
		_, err = st.Destroy(t.Context())
	case "refresh":
		_, err = st.Refresh(t.Context())
	}
	out.Error = class(autoClass(err))
	if s.op != "preview" {
		changes = lastChanges(t, st)
	}
	out.Changes = engine.Counts(changes)
	out.observe(t, c.place, s.op == "preview")
	return out
}

func lastChanges(t *testing.T, st auto.Stack) map[string]int {
	t.Helper()
	runs, err := st.History(t.Context(), 1, 1)
	if err != nil || len(runs) != 1 || runs[0].ResourceChanges == nil {
		t.Fatalf("history: %v, %v", runs, err)
	}
	return *runs[0].ResourceChanges
}

// autoClass gives an error of the Automation API, which is text, its sentinel.
func autoClass(err error) error {
	if err == nil {
		return nil
	}
	for text, sentinel := range map[string]error{
		"is protected": engine.ErrProtected, "marked for protection": engine.ErrProtected,
		"no space": engine.ErrResourceFailed, "broken": engine.ErrResourceFailed, "name is required": engine.ErrResourceFailed,
	} {
		if strings.Contains(err.Error(), text) {
			return errors.Join(sentinel, err)
		}
	}
	return err
}

// providerID is the random ID of a provider resource, alone and at the end of a reference.
var providerID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
