package kubernetes

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

const configMapToken = "kubernetes:core/v1:ConfigMap"

func versionOf(t *testing.T, ns, kind, name string) string {
	t.Helper()
	return kubectl(t, "get", kind, name, "-n", ns, "-o", "jsonpath={.metadata.resourceVersion}")
}

// TestForeign holds that what a person made is refused and untouched.
func TestForeign(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "foreign")
	ns := newNamespace(t, p)
	kubectl(t, "create", "configmap", "theirs", "-n", ns, "--from-literal=a=1")
	before := versionOf(t, ns, "configmap", "theirs")
	in := m{"metadata": with(named(ns, "theirs"), m{"annotations": m{forceAnnotation: "true"}}), "data": m{"a": "2"}}
	_, err := p.Create(t, configMapToken, in)
	wantErr(t, err, "ConfigMap "+ns+"/theirs exists and no stack made it (it is from kubectl-create): choose another name, "+
		"or give it to this stack by the annotation plattr.dev/owner=plattr/foreign")
	checked, err := p.Check(t, configMapToken, in)
	if err != nil {
		t.Fatal(err)
	}
	urn := resource.NewURN("foreign", "plattr", "", configMapToken, "test")
	_, err = p.Provider.Create(t.Context(), plugin.CreateRequest{URN: urn, Properties: checked, Preview: true})
	wantErr(t, err, "no stack made it") // a preview says so too
	if after := versionOf(t, ns, "configmap", "theirs"); after != before {
		t.Error("it was touched")
	}
	kubectl(t, "annotate", "configmap", "theirs", "-n", ns, markKey+"=plattr/foreign")
	if _, err := p.Create(t, configMapToken, in); err != nil {
		t.Errorf("after it was handed over: %v", err)
	}
}

// TestHandOver holds that an object which was given to another stack is not this stack's any more.
func TestHandOver(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "giver")
	ns := newNamespace(t, p)
	in := m{"metadata": named(ns, "gift"), "data": m{"a": "1"}}
	r := p.MustCreate(t, configMapToken, in)
	kubectl(t, "annotate", "configmap", "gift", "-n", ns, "--overwrite", markKey+"=plattr/taker")
	changed := with(in, m{"data": m{"a": "2"}})
	wantErr(t, r.Update(changed), "ConfigMap "+ns+"/gift belongs to stack plattr/taker")
	if err := r.Delete(); err != nil {
		t.Errorf("another's is left alone: %v", err)
	}
	versionOf(t, ns, "configmap", "gift")
	if r.Refresh() {
		t.Error("it is still seen")
	}
}

// TestContinue holds that an object of the official plugin's state, which has no mark, is continued under the plugin's
// field manager, and marked.
func TestContinue(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "official", m{"enableConfigMapMutable": true})
	ns := newNamespace(t, p)
	const manager = "pulumi-kubernetes-1a2b3c4d"
	in := m{"metadata": named(ns, "old"), "data": m{"a": "1", "b": "1"}}
	made := stackOf(t, "official", m{"enableConfigMapMutable": true}).MustCreate(t, configMapToken,
		with(in, m{"metadata": with(named(ns, "old"), m{"annotations": m{fieldManagerAnnotation: manager}})}))
	kubectl(t, "annotate", "configmap", "old", "-n", ns, markKey+"-", fieldManagerAnnotation+"-")
	made.Outputs[fieldManagerKey] = resource.NewStringProperty(manager)
	made.Inputs, _ = p.Check(t, configMapToken, in)
	same(t, p, made, in, "metadata.annotations") // the mark is missing
	now := with(in, m{"data": m{"a": "2"}})
	if err := made.Update(now); err != nil {
		t.Fatal(err)
	}
	same(t, p, made, now)
	if made.Outputs[fieldManagerKey].StringValue() != manager {
		t.Errorf("manager = %v", made.Outputs[fieldManagerKey])
	}
	if got := kubectl(t, "get", "configmap", "old", "-n", ns, "-o", "jsonpath={.data}"); got != `{"a":"2"}` {
		t.Errorf("data = %s", got)
	}
}

// TestManagerChange holds that the fields of the manager before are let go.
func TestManagerChange(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "managers", m{"enableConfigMapMutable": true})
	ns := newNamespace(t, p)
	in := m{"metadata": named(ns, "it"), "data": m{"a": "1"}}
	r := p.MustCreate(t, configMapToken, in)
	named := with(in, m{"metadata": with(named(ns, "it"), m{"annotations": m{fieldManagerAnnotation: "me", forceAnnotation: "true"}})})
	if err := r.Update(named); err != nil {
		t.Fatal(err)
	}
	managers := kubectl(t, "get", "configmap", "it", "-n", ns, "--show-managed-fields", "-o", "jsonpath={.metadata.managedFields[*].manager}")
	if managers != "me" {
		t.Errorf("managers = %q", managers)
	}
}

// TestRace holds that of two stacks which make the same name at the same moment, one gets it.
func TestRace(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "race")
	ns := newNamespace(t, p)
	for i := range 10 {
		in := m{"metadata": with(named(ns, unique("it")), m{"annotations": m{forceAnnotation: "true"}}), "data": m{"a": "1"}}
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, stack := range []string{"red", "blue"} {
			p := stackOf(t, stack)
			wg.Go(func() { _, errs[i] = p.Create(t, configMapToken, in) })
		}
		wg.Wait()
		lost := slices.DeleteFunc(errs, func(err error) bool { return err == nil })
		if len(lost) != 1 || !strings.Contains(lost[0].Error(), "belongs to stack plattr/") {
			t.Fatalf("turn %d: %v", i, lost)
		}
	}
}

// TestImport holds that an object is read by its name alone.
func TestImport(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "import")
	ns := newNamespace(t, p)
	kubectl(t, "create", "secret", "generic", "theirs", "-n", ns, "--from-literal=a=secret")
	res, err := p.Read(t.Context(), plugin.ReadRequest{
		URN: resource.NewURN("import", "plattr", "", "kubernetes:core/v1:Secret", "test"), ID: resource.ID(ns + "/theirs"),
	})
	if err != nil || !res.Inputs["data"].IsSecret() || res.Inputs["metadata"].ObjectValue()["name"].StringValue() != "theirs" {
		t.Errorf("inputs = %v, %v", res.Inputs, err)
	}
	if _, ok := res.Inputs["metadata"].ObjectValue()["uid"]; ok || res.Inputs["status"].HasValue() {
		t.Errorf("inputs = %v", res.Inputs)
	}
}

// TestIgnoreChanges holds that a field which the program ignores is left to whoever has it.
func TestIgnoreChanges(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "ignore")
	ns := newNamespace(t, p)
	in := m{"metadata": with(named(ns, "web"), m{"annotations": m{skipAwaitAnnotation: "true"}}), "spec": spec("a", m{"replicas": 2})}
	r := p.MustCreate(t, "kubernetes:apps/v1:Deployment", in)
	kubectl(t, "scale", "deployment", "web", "-n", ns, "--replicas=5")
	now, err := p.Check(t, "kubernetes:apps/v1:Deployment", with(in, m{"spec": spec("b", m{"replicas": 2})}))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Refresh() {
		t.Fatal("it is gone")
	}
	ignored := []string{"spec.replicas"}
	diff, err := p.Diff(t.Context(), plugin.DiffRequest{URN: r.URN, ID: r.ID, OldInputs: r.Inputs, OldOutputs: r.Outputs, NewInputs: now, IgnoreChanges: ignored})
	if err != nil || len(diff.DetailedDiff) != 1 {
		t.Errorf("%v, %v", diff.DetailedDiff, err)
	}
	res, err := p.Update(t.Context(), plugin.UpdateRequest{URN: r.URN, ID: r.ID, OldInputs: r.Inputs, OldOutputs: r.Outputs, NewInputs: now, IgnoreChanges: ignored})
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Properties["spec"].ObjectValue()["replicas"].NumberValue(); got != 5 {
		t.Errorf("replicas = %v", got)
	}
}
