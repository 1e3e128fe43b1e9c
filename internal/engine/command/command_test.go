package command_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optimport"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"plattr.dev/plattr/internal/engine/command"
	"plattr.dev/plattr/internal/engine/enginetest"
)

const planted = "hunter2-planted"

// rig is a command, the directory of its stacks and that of its provider's files.
type rig struct {
	command      *command.Command
	state, files string
	dir          string
}

func newRig(t *testing.T) rig {
	t.Helper()
	r := rig{state: t.TempDir(), files: t.TempDir(), dir: t.TempDir()}
	r.command = command.New(command.Options{
		Owner:     "test",
		Providers: map[string]func() plugin.Provider{enginetest.Package: enginetest.New(r.files)},
	})
	return r
}

func (r rig) options() []auto.LocalWorkspaceOption {
	return []auto.LocalWorkspaceOption{
		auto.Pulumi(r.command), auto.WorkDir(r.dir),
		auto.Project(workspace.Project{
			Name: "shop", Runtime: workspace.NewProjectRuntimeInfo("go", nil),
			Backend: &workspace.ProjectBackend{URL: "file://" + r.state},
		}),
		auto.EnvVars(map[string]string{"PULUMI_CONFIG_PASSPHRASE": "command"}),
	}
}

func (r rig) stack(t *testing.T, name string) auto.Stack {
	t.Helper()
	s, err := auto.UpsertStackInlineSource(t.Context(), name, "shop", program, r.options()...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// program declares a file whose content comes from the configuration.
func program(ctx *pulumi.Context) error {
	c := config.New(ctx, "")
	f, err := enginetest.NewFile(ctx, "a", pulumi.Map{"content": c.GetSecret("content")})
	if err != nil {
		return err
	}
	ctx.Export("content", f.Content)
	ctx.Export("greeting", pulumi.String(c.Get("greeting")))
	return nil
}

func TestConfig(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.stack(t, "dev")
	ctx := t.Context()
	err := s.SetAllConfig(ctx, auto.ConfigMap{
		"greeting": {Value: "hello"}, "content": {Value: planted, Secret: true}, "other:key": {Value: "x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetConfig(ctx, "late", auto.ConfigValue{Value: "-1"}); err != nil {
		t.Fatal(err)
	}
	got, err := s.GetConfig(ctx, "content")
	if err != nil || got.Value != planted || !got.Secret {
		t.Errorf("GetConfig = secret %v, %v", got.Secret, err)
	}
	want := auto.ConfigMap{
		"shop:greeting": {Value: "hello"}, "shop:content": {Value: planted, Secret: true},
		"other:key": {Value: "x"}, "shop:late": {Value: "-1"},
	}
	all, err := s.GetAllConfig(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("GetAllConfig (-want +got):\n%s", diff)
	}
	raw, err := os.ReadFile(filepath.Join(r.dir, "Pulumi.dev.yaml"))
	if err != nil || strings.Contains(string(raw), planted) {
		t.Errorf("stack settings show the secret, or %v", err)
	}
	res, err := s.Up(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if o := res.Outputs["content"]; o.Value != planted || !o.Secret {
		t.Errorf("output content: value right %v, secret %v", o.Value == planted, o.Secret)
	}
	if o := res.Outputs["greeting"]; o.Value != "hello" || o.Secret {
		t.Errorf("output greeting = %+v", o)
	}
	if err := s.RemoveAllConfig(ctx, []string{"greeting", "late"}); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveConfig(ctx, "other:key"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetConfig(ctx, "greeting"); err == nil {
		t.Error("a removed key is still there")
	}
	back, err := s.RefreshConfig(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, back); diff != "" {
		t.Errorf("RefreshConfig (-want +got):\n%s", diff)
	}
}

func TestStacks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	s := r.stack(t, "dev")
	if _, err := s.Up(ctx); err != nil {
		t.Fatal(err)
	}
	r.stack(t, "empty")
	list, err := s.Workspace().ListStacks(ctx)
	if err != nil || len(list) != 2 || list[0].Name != "dev" || *list[0].ResourceCount != 3 || *list[1].ResourceCount != 0 {
		t.Errorf("ListStacks = %+v, %v", list, err)
	}
	if _, err := auto.NewStackInlineSource(ctx, "dev", "shop", program, r.options()...); !auto.IsCreateStack409Error(err) {
		t.Errorf("a second stack of the name: %v", err)
	}
	if _, err := auto.SelectStackInlineSource(ctx, "none", "shop", program, r.options()...); !auto.IsSelectStack404Error(err) {
		t.Errorf("a stack that is absent: %v", err)
	}
	if err := s.Workspace().RemoveStack(ctx, "dev"); err == nil || !strings.Contains(err.Error(), "still has resources") {
		t.Errorf("RemoveStack of a stack with resources: %v", err)
	}
	if _, err := s.Workspace().ListTags(ctx, "dev"); err == nil {
		t.Error("tags are said to be supported")
	}
	if who, err := s.Workspace().WhoAmIDetails(ctx); err != nil || who.User == "" || who.URL != "file://"+r.state {
		t.Errorf("WhoAmIDetails = %+v, %v", who, err)
	}
	if err := s.Cancel(ctx); err != nil {
		t.Errorf("Cancel: %v", err)
	}
	// Not s.Rename: that asks for the history of the old name afterwards, which the stock CLI refuses too.
	env := []string{"PULUMI_CONFIG_PASSPHRASE=command"}
	if _, stderr, _, err := r.command.Run(ctx, r.dir, nil, nil, nil, env, "stack", "rename", "prod", "--stack", "dev"); err != nil {
		t.Fatalf("rename: %s", stderr)
	}
	s = r.stack(t, "prod")
	if res, err := s.Up(ctx); err != nil || (*res.Summary.ResourceChanges)["same"] != 2 {
		t.Errorf("up after the rename: %v, %v", res.Summary.ResourceChanges, err)
	}
	runs, err := s.History(ctx, 1, 2)
	if err != nil || len(runs) != 1 || runs[0].Kind != "update" || runs[0].Result != "succeeded" {
		t.Errorf("page 2 of the history = %+v, %v", runs, err)
	}
	if _, err := s.Destroy(ctx); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"prod", "empty"} {
		if err := s.Workspace().RemoveStack(ctx, name); err != nil {
			t.Errorf("RemoveStack %s: %v", name, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(r.state, ".pulumi", "*", "shop", "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestExportImport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	s := r.stack(t, "dev")
	if err := s.SetConfig(ctx, "content", auto.ConfigValue{Value: planted, Secret: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Up(ctx); err != nil {
		t.Fatal(err)
	}
	d, err := s.Export(ctx) // secrets shown
	if err != nil || !strings.Contains(string(d.Deployment), planted) {
		t.Fatalf("Export: shows secrets %v, %v", strings.Contains(string(d.Deployment), planted), err)
	}
	if err := s.Import(ctx, d); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(r.state, ".pulumi/stacks/shop/dev.json"))
	if err != nil || strings.Contains(string(raw), planted) {
		t.Errorf("the imported state shows the secret, or %v", err)
	}
	if res, err := s.Up(ctx); err != nil || (*res.Summary.ResourceChanges)["same"] != 2 {
		t.Errorf("up after the import: %v, %v", res.Summary.ResourceChanges, err)
	}
	other := r.stack(t, "other")
	if err := other.Import(ctx, d); err == nil || !strings.Contains(err.Error(), "belongs to another stack") {
		t.Errorf("import of another stack's state: %v", err)
	}
}

func TestImportResources(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	s := r.stack(t, "dev")
	file := filepath.Join(r.files, "found")
	if err := os.WriteFile(file, []byte(`{"urn":"","content":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	res, err := s.ImportResources(ctx, optimport.Resources([]*optimport.ImportResource{
		{Type: enginetest.Type, Name: "thing", ID: "found", Version: "1.0.0"},
	}), optimport.Protect(false))
	if err != nil {
		t.Fatal(err)
	}
	if got := (*res.Summary.ResourceChanges)["import"]; got != 1 {
		t.Errorf("imported %d resources, want 1: %v", got, res.Summary)
	}
	if _, err := s.Destroy(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("destroy left what was imported: %v", err)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	s := r.stack(t, "dev")
	if res, err := s.Preview(ctx, optpreview.Message("look")); err != nil || res.ChangeSummary["create"] != 2 {
		t.Errorf("Preview = %v, %v", res.ChangeSummary, err)
	}
	stream := make(chan events.EngineEvent)
	count := make(chan map[string]int)
	go func() {
		seen := map[string]int{}
		for e := range stream {
			switch {
			case e.ResourcePreEvent != nil:
				seen["pre"]++
			case e.SummaryEvent != nil:
				seen["summary"]++
			}
		}
		count <- seen
	}()
	var out bytes.Buffer
	if _, err := s.Up(ctx, optup.EventStreams(stream), optup.ProgressStreams(&out)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"pre": 2, "summary": 1}, <-count); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if !strings.Contains(out.String(), "2 create") {
		t.Errorf("progress = %q", out.String())
	}
	if _, err := s.Up(ctx, optup.ExpectNoChanges()); err != nil {
		t.Errorf("no change was expected: %v", err)
	}
	if err := s.SetConfig(ctx, "content", auto.ConfigValue{Value: "new"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Up(ctx, optup.ExpectNoChanges()); err == nil {
		t.Error("a change was not reported")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stack(t, "dev")
	cases := map[string]struct {
		reason string
		args   []string
		want   string
	}{
		"Unknown":    {"a command that is not answered", []string{"logs"}, "not supported by the linked engine"},
		"Flag":       {"a flag that is not known", []string{"up", "--nonsense"}, "nonsense"},
		"NoStack":    {"no stack named", []string{"stack", "output", "--json"}, "name one with --stack"},
		"BadStack":   {"a stack name that is a path", []string{"stack", "init", "../x"}, "name"},
		"NoOutput":   {"an output that is absent", []string{"stack", "output", "nope", "--stack", "dev"}, "nope"},
		"SetAll":     {"a secret without a key is not repeated", []string{"config", "set-all", "--stack", "dev", "--secret", planted}, "wants key=value"},
		"Provider":   {"secrets of another type", []string{"stack", "init", "x", "--secrets-provider", "awskms://k"}, "only passphrase"},
		"ImportFile": {"an import file that is absent", []string{"import", "--stack", "dev", "--file", "/nowhere"}, "read import file"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, stderr, code, err := r.command.Run(
				t.Context(), r.dir, nil, nil, nil, []string{"PULUMI_CONFIG_PASSPHRASE=command"}, tc.args...)
			if err == nil || code == 0 || !strings.Contains(stderr, tc.want) || strings.Contains(stderr, planted) {
				t.Errorf("%s: exit %d, %v, stderr %q, want %q in it", tc.reason, code, err, stderr, tc.want)
			}
		})
	}
}

func TestWrongPassphrase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.stack(t, "dev")
	if _, err := s.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, stderr, code, _ := r.command.Run(t.Context(), r.dir, nil, nil, nil,
		[]string{"PULUMI_CONFIG_PASSPHRASE=wrong"}, "stack", "output", "--json", "--show-secrets", "--stack", "dev")
	if code == 0 || !strings.Contains(stderr, "incorrect passphrase") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}
