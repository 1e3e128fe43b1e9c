package kubeapi

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

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
		"Kind":      {fmt.Errorf("apps/v1 Deployment: %w", ErrNoKind), `Deployment shop/web: cluster https://c (context kind) has no kind Deployment in apps/v1: install its CustomResourceDefinition first, or depend on it`},
		"Namespace": {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop"), `Deployment shop/web: namespaces "shop" not found`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &Cluster{Access: Access{context: "kind", User: "admin"}, url: "https://c"}
			tg := Target{GVK: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Namespace: "shop", Name: "web"}
			if name == "Namespace" { // as the API server writes it
				status, _ := errors.AsType[*apierrors.StatusError](tc.err)
				status.ErrStatus.Details.Kind = "namespaces"
				tc.want = `Deployment shop/web: namespace shop does not exist: create it first, or depend on it`
			}
			err := c.Explain(tg, tc.err)
			if err.Error() != tc.want {
				t.Errorf("got  %s\nwant %s", err, tc.want)
			}
			if !errors.Is(err, tc.err) && name != "Kind" {
				t.Error("the client's error is lost")
			}
		})
	}
}

// TestExplainNoValues holds that what a Secret holds is in no error.
func TestExplainNoValues(t *testing.T) {
	t.Parallel()
	c := &Cluster{url: "https://c"}
	tg := Target{GVK: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, Namespace: "shop", Name: "db"}
	err := c.Explain(tg, statusError(422, metav1.StatusReasonInvalid, `Secret "db" is invalid`,
		metav1.StatusCause{Type: "FieldValueInvalid", Field: "data[a]", Message: `Invalid value: "hunter2": must be base64`}))
	if strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "data[a]") {
		t.Error(err)
	}
}
