package kubernetes

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func statusError(code int32, reason metav1.StatusReason, message string, causes ...metav1.StatusCause) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: "Failure", Code: code, Reason: reason, Message: message, Details: &metav1.StatusDetails{Causes: causes},
	}}
}

// TestExplain holds that every error begins with what is wrong and ends with what to do, in one line.
func TestExplain(t *testing.T) {
	t.Parallel()
	refused := &url.Error{Op: "Get", URL: "https://127.0.0.1:1/api", Err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}}
	cases := map[string]struct {
		err  error
		want string
	}{
		"Unreachable": {refused, `cannot reach cluster https://c (context kind): connect: connection refused: check that it runs and that the context is the right one`},
		"Host":        {&url.Error{Op: "Get", Err: &net.OpError{Err: &net.DNSError{Name: "c.example", Err: "no such host"}}}, `cannot reach cluster https://c (context kind): host c.example is not known: check the kubeconfig's server and the network`},
		"Certificate": {&url.Error{Op: "Get", Err: errors.New("tls: failed to verify certificate: x509: certificate signed by unknown authority")}, `cannot trust cluster https://c (context kind): failed to verify certificate: x509: certificate signed by unknown authority: the kubeconfig is of another cluster, or an old one: fetch it again`},
		"Helper":      {errors.New("getting credentials: exec: executable aws not found\n\nIt looks like you are trying to use a client-go credential plugin"), `cannot sign in to cluster https://c (context kind): user "admin" of the kubeconfig signs in with the program "aws", which is not installed: install it, or use a kubeconfig with a token or certificate`},
		"HelperFails": {errors.New("getting credentials: exec: executable aws failed with exit code 255"), `cannot sign in to cluster https://c (context kind): the program "aws" of user "admin" of the kubeconfig failed with exit code 255: run it by hand to see why, usually to log in again`},
		"Expired":     {statusError(401, metav1.StatusReasonUnauthorized, "Unauthorized"), `cluster https://c (context kind) does not accept user "admin" of the kubeconfig: the token or certificate is wrong or has expired: sign in again`},
		"Permission":  {statusError(403, metav1.StatusReasonForbidden, `deployments.apps "web" is forbidden: User "bob" cannot patch resource "deployments" in API group "apps" in the namespace "shop"`), `Deployment shop/web: bob may not patch deployments in namespace shop: ask for a role that allows it, or use another context`},
		"Quota":       {statusError(403, metav1.StatusReasonForbidden, `pods "web" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2`), `Deployment shop/web: quota small of namespace shop is exceeded: asks for pods=1, in use are pods=2 of pods=2: raise the quota or ask for less`},
		"Terminating": {statusError(403, metav1.StatusReasonForbidden, `deployments.apps "web" is forbidden: unable to create new content in namespace shop because it is being terminated`, metav1.StatusCause{Type: "NamespaceTerminating"}), `Deployment shop/web: namespace shop is being deleted: wait until it is gone, then run again`},
		"Security":    {statusError(403, metav1.StatusReasonForbidden, `pods "web" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true`), `Deployment shop/web: refused by the cluster's admission: violates PodSecurity "restricted:latest": runAsNonRoot != true`},
		"Webhook":     {statusError(400, metav1.StatusReasonBadRequest, `admission webhook "policy.example.com" denied the request: no latest tags`), `Deployment shop/web: refused by admission webhook "policy.example.com": no latest tags`},
		"WebhookDown": {statusError(500, metav1.StatusReasonInternalError, `Internal error occurred: failed calling webhook "policy.example.com": connection refused`), `Deployment shop/web: admission webhook "policy.example.com" does not answer (connection refused): repair it, or remove its configuration`},
		"Conflict": {
			statusError(409, metav1.StatusReasonConflict, "Apply failed with 2 conflicts",
				metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.replicas", Message: `conflict with "kubectl-edit" using apps/v1`},
				metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.paused", Message: `conflict with "kubectl-edit" using apps/v1`}),
			`Deployment shop/web: .spec.replicas, .spec.paused belongs to field manager "kubectl-edit": leave it out of the program, or take it by the annotation pulumi.com/patchForce: "true"`,
		},
		"Invalid": {
			statusError(422, metav1.StatusReasonInvalid, "x", metav1.StatusCause{Field: "spec.replicas", Message: "Invalid value: -1: must be greater than or equal to 0"}),
			`Deployment shop/web: spec.replicas: Invalid value: -1: must be greater than or equal to 0: correct the program`,
		},
		"Immutable": {
			statusError(422, metav1.StatusReasonInvalid, "field is immutable", metav1.StatusCause{Field: "spec.selector", Message: "field is immutable"}),
			`Deployment shop/web: spec.selector: field is immutable: it cannot be changed in place: replace the object (replaceOnChanges), or delete it first`,
		},
		"Field":     {statusError(500, metav1.StatusReasonInternalError, `failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema`), `Deployment shop/web: .spec.foo: field not declared in schema: the kind has no such field: correct the program`},
		"Busy":      {statusError(429, metav1.StatusReasonTooManyRequests, "too many"), `Deployment shop/web: cluster https://c (context kind) has too much to do (429) and still had when patience ended: try again later`},
		"Down":      {statusError(503, metav1.StatusReasonServiceUnavailable, "etcd leader changed"), `Deployment shop/web: cluster https://c (context kind) could not answer (503): etcd leader changed: try again later`},
		"Kind":      {fmt.Errorf("apps/v1 Deployment: %w", errNoKind), `Deployment shop/web: cluster https://c (context kind) has no kind Deployment in apps/v1: install its CustomResourceDefinition first, or depend on it`},
		"Namespace": {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop"), `Deployment shop/web: namespaces "shop" not found`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &cluster{access: access{context: "kind", user: "admin"}, url: "https://c"}
			tg := target{gvk: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, namespace: "shop", name: "web"}
			if name == "Namespace" { // as the API server writes it
				status, _ := errors.AsType[*apierrors.StatusError](tc.err)
				status.ErrStatus.Details.Kind = "namespaces"
				tc.want = `Deployment shop/web: namespace shop does not exist: create it first, or depend on it`
			}
			err := c.explain(tg, tc.err)
			if err.Error() != tc.want {
				t.Errorf("got  %s\nwant %s", err, tc.want)
			}
			if !errors.Is(err, tc.err) && name != "Kind" {
				t.Error("the client's error is lost")
			}
		})
	}
}

// TestNoValues holds that what is secret is in no error.
func TestNoValues(t *testing.T) {
	t.Parallel()
	c := &cluster{url: "https://c"}
	tg := target{gvk: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, namespace: "shop", name: "db"}
	err := c.explain(tg, statusError(422, metav1.StatusReasonInvalid, `Secret "db" is invalid`,
		metav1.StatusCause{Type: "FieldValueInvalid", Field: "data[a]", Message: `Invalid value: "hunter2": must be base64`}))
	if strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "data[a]") {
		t.Error(err)
	}
	secrets := secretsIn(resource.PropertyMap{"data": resource.MakeSecret(resource.NewObjectProperty(resource.PropertyMap{
		"a": resource.NewStringProperty("aHVudGVyMg=="), "b": resource.NewStringProperty("s3cr3t"),
	}))})
	for _, err := range []error{
		fmt.Errorf("refused: hunter2, s3cr3t and aHVudGVyMg=="),
		&plugin.InitError{Reasons: []string{"crashed with hunter2", "czNjcjN0"}},
	} {
		got := concealed(err, secrets).Error()
		for _, s := range []string{"hunter2", "s3cr3t", "aHVudGVyMg==", "czNjcjN0"} {
			if strings.Contains(got, s) {
				t.Errorf("%s is in %q", s, got)
			}
		}
	}
}

const kubeconfig = `{"apiVersion":"v1","kind":"Config","current-context":"one","clusters":[{"name":"c","cluster":{"server":"https://one.example"}}],
"users":[{"name":"u","user":{"token":"t0k3n"}}],"contexts":[{"name":"one","context":{"cluster":"c","user":"u","namespace":"team"}},
{"name":"lost","context":{"cluster":"gone","user":"u"}}]}`

func TestReach(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	no := false
	cases := map[string]struct {
		settings  settings
		namespace string
		err       string
	}{
		"Content":    {settings{Kubeconfig: kubeconfig}, "team", ""},
		"Path":       {settings{Kubeconfig: file}, "team", ""},
		"Namespace":  {settings{Kubeconfig: kubeconfig, Namespace: "mine"}, "mine", ""},
		"Context":    {settings{Kubeconfig: kubeconfig, Context: "two"}, "", `context "two" is not in the provider's kubeconfig: it has lost, one`},
		"Cluster":    {settings{Kubeconfig: kubeconfig, Context: "lost"}, "", `context "lost" of the provider's kubeconfig means cluster "gone", which is not there`},
		"NoContext":  {settings{Kubeconfig: "{}\n"}, "", `the provider's kubeconfig has no current context: name one (it has none)`},
		"Missing":    {settings{Kubeconfig: file + "x"}, "", file + "x: file does not exist"},
		"Broken":     {settings{Kubeconfig: "{\n"}, "", "kubeconfig: "},
		"ClientSide": {settings{EnableServerSideApply: &no}, "", "only server-side apply"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := reach(tc.settings)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error = %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil || a.namespace != tc.namespace || a.config.Host != "https://one.example" || a.user != "u" {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

// TestShared holds that providers which mean the same cluster share its client, and others do not.
func TestShared(t *testing.T) {
	t.Parallel()
	clusters := NewClusters()
	get := func(s settings) *cluster {
		a, err := reach(s)
		if err != nil {
			t.Fatal(err)
		}
		c, err := clusters.get(a)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one := get(settings{Kubeconfig: kubeconfig})
	if get(settings{Kubeconfig: kubeconfig, Namespace: "other"}) != one {
		t.Error("another namespace made another client")
	}
	if get(settings{Kubeconfig: strings.ReplaceAll(kubeconfig, "t0k3n", "other")}) == one {
		t.Error("another token uses the same client")
	}
}
