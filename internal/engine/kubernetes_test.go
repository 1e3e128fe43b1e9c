package engine_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	kubernetes "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/testutil"
)

// objects is a program of 6 objects for each part, in a namespace of its own, written against the official SDK.
func objects(kubeconfig, namespace string, parts int, change string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		provider, err := kubernetes.NewProvider(ctx, "cluster", &kubernetes.ProviderArgs{
			Kubeconfig: pulumi.String(kubeconfig), EnableConfigMapMutable: pulumi.Bool(true), EnableSecretMutable: pulumi.Bool(true),
		})
		if err != nil {
			return err
		}
		with := pulumi.Provider(provider)
		ns, err := corev1.NewNamespace(ctx, "namespace", &corev1.NamespaceArgs{
			Metadata: &metav1.ObjectMetaArgs{Name: pulumi.String(namespace)},
		}, with)
		if err != nil {
			return err
		}
		for i := range parts {
			if err := part(ctx, fmt.Sprintf("web%d", i), ns, change, with); err != nil {
				return err
			}
		}
		ctx.Export("namespace", ns.Metadata.Name())
		return nil
	}
}

func part(ctx *pulumi.Context, name string, ns *corev1.Namespace, change string, with pulumi.ResourceOption) error {
	meta := func(suffix string, annotations pulumi.StringMap) *metav1.ObjectMetaArgs {
		return &metav1.ObjectMetaArgs{Name: pulumi.String(name + suffix), Namespace: ns.Metadata.Name().Elem(), Annotations: annotations}
	}
	labels := pulumi.StringMap{"app": pulumi.String(name)}
	_, settingsErr := corev1.NewConfigMap(ctx, name, &corev1.ConfigMapArgs{Metadata: meta("", nil), Data: pulumi.StringMap{"a": pulumi.String(change)}}, with)
	secret, secretErr := corev1.NewSecret(ctx, name, &corev1.SecretArgs{Metadata: meta("", nil), StringData: pulumi.StringMap{"password": pulumi.String("hunter2hunter2")}}, with)
	_, accountErr := corev1.NewServiceAccount(ctx, name, &corev1.ServiceAccountArgs{Metadata: meta("", nil)}, with)
	_, serviceErr := corev1.NewService(ctx, name, &corev1.ServiceArgs{
		Metadata: meta("", pulumi.StringMap{"pulumi.com/skipAwait": pulumi.String("true")}),
		Spec:     &corev1.ServiceSpecArgs{Selector: labels, Ports: corev1.ServicePortArray{&corev1.ServicePortArgs{Port: pulumi.Int(80)}}},
	}, with)
	_, quotaErr := corev1.NewResourceQuota(ctx, name, &corev1.ResourceQuotaArgs{
		Metadata: meta("", nil), Spec: &corev1.ResourceQuotaSpecArgs{Hard: pulumi.StringMap{"requests.cpu": pulumi.String("64000m")}},
	}, with)
	if secretErr != nil {
		return secretErr
	}
	_, deploymentErr := appsv1.NewDeployment(ctx, name, &appsv1.DeploymentArgs{
		Metadata: meta("", pulumi.StringMap{"pulumi.com/skipAwait": pulumi.String("true")}),
		Spec: &appsv1.DeploymentSpecArgs{
			Selector: &metav1.LabelSelectorArgs{MatchLabels: labels},
			Replicas: pulumi.Int(1),
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: labels},
				Spec: &corev1.PodSpecArgs{Containers: corev1.ContainerArray{&corev1.ContainerArgs{
					Name: pulumi.String("app"), Image: pulumi.String("shop:1"),
					Env: corev1.EnvVarArray{&corev1.EnvVarArgs{Name: pulumi.String("PASSWORD"), ValueFrom: &corev1.EnvVarSourceArgs{
						SecretKeyRef: &corev1.SecretKeySelectorArgs{Name: secret.Metadata.Name(), Key: pulumi.String("password")},
					}}},
					Resources: &corev1.ResourceRequirementsArgs{Requests: pulumi.StringMap{"cpu": pulumi.String("1000m")}},
				}}},
			},
		},
	}, with)
	for _, err := range []error{settingsErr, accountErr, serviceErr, quotaErr, deploymentErr} {
		if err != nil {
			return err
		}
	}
	return nil
}

// clusterPlace is an engine with the providers of this program, and a cluster.
func clusterPlace(t testing.TB) (place, *testutil.KubernetesServer) {
	t.Helper()
	return newPlace(t, func(o *engine.Options) { o.Providers = nil }), testutil.Kubernetes(t)
}

// TestKubernetes runs a program of the official SDK against a real API server.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	p, k := clusterPlace(t)
	ns := "engine-life"
	refresh := engine.RunOptions{Refresh: true}
	steps := []struct {
		reason string
		do     func()
		change string
		want   map[string]int
		drift  []string
	}{
		{"all is made", func() {}, "1", map[string]int{engine.Created: 15}, nil},
		{"nothing changed", func() {}, "1", map[string]int{engine.Unchanged: 15}, nil},
		{"a change", func() {}, "2", map[string]int{engine.Unchanged: 13, engine.Updated: 2}, nil},
		{
			"a thing is deleted outside", func() { k.Admin.Kubectl(t, "delete", "configmap", "web0", "-n", ns) }, "2",
			map[string]int{engine.Unchanged: 14, engine.Created: 1},
			[]string{"web0"},
		},
		{
			"what others add is theirs", func() { k.Admin.Kubectl(t, "label", "configmap", "web1", "-n", ns, "else=where") }, "2",
			map[string]int{engine.Unchanged: 15},
			nil,
		},
	}
	for _, s := range steps {
		s.do()
		program := objects(k.Admin.Content, ns, 2, s.change)
		if _, err := p.Preview(t.Context(), "dev", program, refresh); err != nil {
			t.Fatalf("%s: preview: %v", s.reason, err)
		}
		events := make(chan engine.Event, 1000)
		o := refresh
		o.Events = events
		res := up(t, p, "dev", program, o)
		if diff := cmp.Diff(s.want, res.Changes); diff != "" {
			t.Errorf("%s: changes (-want +got):\n%s", s.reason, diff)
		}
		var drift []string
		for _, d := range res.Drift {
			drift = append(drift, d.Name)
		}
		if diff := cmp.Diff(s.drift, drift); diff != "" {
			t.Errorf("%s: drift (-want +got):\n%s", s.reason, diff)
		}
		close(events)
		for e := range events {
			if strings.Contains(e.Message, "hunter2") {
				t.Errorf("a secret is in an event: %s", e.Message)
			}
		}
	}
	if _, err := p.Destroy(t.Context(), "dev", engine.RunOptions{Remove: true, Refresh: true}); err != nil {
		t.Fatal(err)
	}
	if out := k.Admin.Kubectl(t, "get", "namespace", ns, "--ignore-not-found", "-o", "name"); out != "" {
		t.Errorf("left: %s", out)
	}
}

// TestKubernetesFailure holds that the reason of a failure is the first line of the run's error, that a run which failed
// is finished by the next, and that a kind and its object may be in one program.
func TestKubernetesFailure(t *testing.T) {
	t.Parallel()
	cli := testutil.Tool(t, "pulumi")
	for name, pulumi := range map[string]string{"Linked": "", "Stock": cli} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, func(o *engine.Options) { o.Providers, o.Pulumi = nil, &pulumi })
			kubernetesFailure(t, p, testutil.Kubernetes(t), "engine-failure-"+strings.ToLower(name))
		})
	}
}

func kubernetesFailure(t *testing.T, p place, k *testutil.KubernetesServer, object string) {
	t.Helper()
	program := func(size string) pulumi.RunFunc {
		return func(ctx *pulumi.Context) error {
			provider, err := kubernetes.NewProvider(ctx, "cluster", &kubernetes.ProviderArgs{Kubeconfig: pulumi.String(k.Admin.Content)})
			if err != nil {
				return err
			}
			_, err = apiextensions.NewCustomResource(ctx, "claim", &apiextensions.CustomResourceArgs{
				ApiVersion: pulumi.String("policy/v1"), Kind: pulumi.String("PodDisruptionBudget"),
				Metadata: &metav1.ObjectMetaArgs{Name: pulumi.String(object), Annotations: pulumi.StringMap{
					"pulumi.com/waitFor": pulumi.String("jsonpath={.spec.maxUnavailable}=2"), "pulumi.com/timeoutSeconds": pulumi.String("1"),
				}},
				OtherFields: kubernetes.UntypedArgs{"spec": map[string]any{"maxUnavailable": size}},
			}, pulumi.Provider(provider))
			return err
		}
	}
	_, err := p.Up(t.Context(), "dev", program("1%"), engine.RunOptions{})
	want := "create kubernetes:policy/v1:PodDisruptionBudget claim: PodDisruptionBudget default/" + object + " does not work after 1s: " +
		"jsonpath={.spec.maxUnavailable}=2 is not there"
	if err == nil || strings.TrimPrefix(err.Error(), "stack dev: ") != want {
		t.Errorf("error = %q\nwant    %q", err, want)
	}
	_, err = p.Up(t.Context(), "dev", program("1%"), engine.RunOptions{Refresh: true}) // the state has it, and it is waited for
	if err == nil || !strings.Contains(err.Error(), "update kubernetes:policy/v1:PodDisruptionBudget claim: PodDisruptionBudget default/"+object) {
		t.Errorf("the second run: %v", err)
	}
	if _, err := p.Destroy(t.Context(), "dev", engine.RunOptions{Remove: true}); err != nil {
		t.Fatal(err)
	}
	if out := k.Admin.Kubectl(t, "get", "pdb", "--ignore-not-found", object, "-o", "name"); out != "" {
		t.Errorf("left: %s", out)
	}
}

// TestKubernetesStock holds that a stock CLI goes on where the linked engine stopped, on the same state.
func TestKubernetesStock(t *testing.T) {
	t.Parallel()
	cli := testutil.Tool(t, "pulumi")
	ours, k := clusterPlace(t)
	stock := newPlace(t, func(o *engine.Options) {
		o.Providers, o.Pulumi, o.StateURL = nil, &cli, engine.FileURL(ours.state)
	})
	program := objects(k.Admin.Content, "engine-stock", 1, "1")
	up(t, ours, "dev", program, engine.RunOptions{})
	for name, p := range map[string]place{"stock": stock, "linked": ours} {
		res := up(t, p, "dev", program, engine.RunOptions{Refresh: true})
		if diff := cmp.Diff(map[string]int{engine.Unchanged: 9}, res.Changes); diff != "" {
			t.Errorf("%s: changes (-want +got):\n%s", name, diff)
		}
	}
	if _, err := stock.Destroy(t.Context(), "dev", engine.RunOptions{Refresh: true}); err != nil {
		t.Fatal(err)
	}
	if out := k.Admin.Kubectl(t, "get", "namespace", "engine-stock", "--ignore-not-found", "-o", "name"); out != "" {
		t.Errorf("left: %s", out)
	}
}

// TestKubernetesReplace holds that what cannot be changed in place is deleted and made again under its name, and that a
// new name is made before the old thing goes.
func TestKubernetesReplace(t *testing.T) {
	t.Parallel()
	p, k := clusterPlace(t)
	program := func(name, value string) pulumi.RunFunc {
		return func(ctx *pulumi.Context) error {
			provider, err := kubernetes.NewProvider(ctx, "cluster", &kubernetes.ProviderArgs{Kubeconfig: pulumi.String(k.Admin.Content)})
			if err != nil {
				return err
			}
			_, err = corev1.NewConfigMap(ctx, "settings", &corev1.ConfigMapArgs{
				Metadata: &metav1.ObjectMetaArgs{Name: pulumi.String(name)}, Data: pulumi.StringMap{"a": pulumi.String(value)},
			}, pulumi.Provider(provider))
			return err
		}
	}
	get := func(what string) string {
		return k.Admin.Kubectl(t, "get", "configmap", "engine-replace", "engine-renamed", "--ignore-not-found", "-o", "jsonpath={.items[*]."+what+"}{."+what+"}")
	}
	up(t, p, "dev", program("engine-replace", "1"), engine.RunOptions{})
	first := get("metadata.uid")
	for _, step := range []struct{ name, value string }{{"engine-replace", "2"}, {"engine-renamed", "2"}} {
		res := up(t, p, "dev", program(step.name, step.value), engine.RunOptions{Refresh: true})
		if res.Changes[engine.Replaced] != 1 {
			t.Errorf("changes = %v", res.Changes)
		}
		if get("metadata.name") != step.name || get("data.a") != step.value || get("metadata.uid") == first {
			t.Errorf("%v: %s is %s", step, get("metadata.name"), get("data.a"))
		}
	}
	if _, err := p.Destroy(t.Context(), "dev", engine.RunOptions{Remove: true}); err != nil {
		t.Fatal(err)
	}
	if left := get("metadata.name"); left != "" {
		t.Errorf("left: %s", left)
	}
}

// TestKubernetesKilled kills runs at random moments, those that make and those that destroy. What comes after finishes
// the job: nothing is doubled, and nothing is left.
func TestKubernetesKilled(t *testing.T) {
	t.Parallel()
	p, k := clusterPlace(t)
	ns := "engine-killed"
	run := p.child("dev", []string{"a", "b"}, "1", "")
	run.Kubeconfig, run.Namespace = k.Admin.Content, ns
	gone := run
	gone.Names = nil
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 16 {
		what := run
		if round%4 == 3 {
			what = gone
		}
		what.Content = strconv.Itoa(round)
		cmd := what.start(t)
		time.Sleep(time.Duration(100+random.IntN(900)) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	program := objects(k.Admin.Content, ns, 2, "1")
	up(t, p, "dev", program, engine.RunOptions{Refresh: true})
	res := up(t, p, "dev", program, engine.RunOptions{Refresh: true})
	if diff := cmp.Diff(map[string]int{engine.Unchanged: 15}, res.Changes); diff != "" {
		t.Errorf("seed %d: after the kills (-want +got):\n%s", seed, diff)
	}
	for _, kind := range []string{"configmap", "secret", "service", "serviceaccount", "deployment", "resourcequota"} {
		names := k.Admin.Kubectl(t, "get", kind, "-n", ns, "-o", `jsonpath={range .items[?(@.metadata.annotations.plattr\.dev/owner)]}{.metadata.name} {end}`)
		if names != "web0 web1 " {
			t.Errorf("seed %d: %s = %q", seed, kind, names)
		}
	}
	for range 3 {
		cmd := gone.start(t)
		time.Sleep(time.Duration(100+random.IntN(500)) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if _, err := p.Destroy(t.Context(), "dev", engine.RunOptions{Remove: true, Refresh: true}); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if out := k.Admin.Kubectl(t, "get", "namespace", ns, "--ignore-not-found", "-o", "name"); out != "" {
		t.Errorf("seed %d: left: %s", seed, out)
	}
}

// BenchmarkKubernetesNoChange is a run over 61 objects that changes nothing, with a refresh and a difference by dry run
// for each of them.
func BenchmarkKubernetesNoChange(b *testing.B) {
	p, k := clusterPlace(b)
	program := objects(k.Admin.Content, "bench", 10, "1")
	up(b, p, "dev", program, engine.RunOptions{})
	time.Sleep(2 * time.Second) // the controllers write what they have to
	up(b, p, "dev", program, engine.RunOptions{Refresh: true})
	b.ResetTimer()
	for b.Loop() {
		if res := up(b, p, "dev", program, engine.RunOptions{Refresh: true}); res.Changed() {
			b.Fatalf("changed %v", res.Changes)
		}
	}
	b.StopTimer()
	if _, err := p.Destroy(b.Context(), "dev", engine.RunOptions{Remove: true}); err != nil {
		b.Fatal(err)
	}
}
