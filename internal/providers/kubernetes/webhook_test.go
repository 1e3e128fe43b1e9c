package kubernetes

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"plattr.dev/plattr/internal/kubeapi"
	"plattr.dev/plattr/internal/testutil"
)

// webhookServer answers admission reviews of deployments: it pins the image, adds a container and a label, and an annotation
// with another value each time; one named "no" is refused.
func webhookServer(t *testing.T) *httptest.Server {
	t.Helper()
	var count atomic.Int32
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Request    struct {
				UID    string `json:"uid"`
				Name   string `json:"name"`
				Object m      `json:"object"`
			} `json:"request"`
		}
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		response := m{"uid": review.Request.UID, "allowed": true}
		if strings.HasPrefix(review.Request.Name, "no") {
			response["allowed"], response["status"] = false, m{"message": "not this one"}
		} else {
			image := kubeapi.Text(kubeapi.Items(review.Request.Object, "spec", "template", "spec", "containers")[0], "image")
			if !strings.Contains(image, "@") {
				image += "@sha256:" + strings.Repeat("0", 64)
			}
			patch := l{
				m{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image},
				m{"op": "add", "path": "/metadata/labels", "value": m{"team": "platform"}},
				m{"op": "add", "path": "/metadata/annotations/seen", "value": fmt.Sprint(count.Add(1))},
			}
			if len(kubeapi.Items(review.Request.Object, "spec", "template", "spec", "containers")) == 1 {
				patch = append(patch, m{"op": "add", "path": "/spec/template/spec/containers/-", "value": m{"name": "side", "image": "mesh"}})
			}
			raw, _ := json.Marshal(patch)
			response["patchType"], response["patch"] = "JSONPatch", base64.StdEncoding.EncodeToString(raw)
		}
		_ = json.NewEncoder(w).Encode(m{"apiVersion": review.APIVersion, "kind": review.Kind, "response": response})
	}))
	t.Cleanup(s.Close)
	return s
}

// TestWebhook holds that what a webhook does to an object never shows as a change, and that its refusal is told.
func TestWebhook(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "webhook")
	ns := newNamespace(t, p)
	s := webhookServer(t)
	authority := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	hook := unique("hook") + ".example.com"
	testutil.Kubernetes(t).Admin.Apply(t, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration","metadata":{"name":"`+hook+`"},
		"webhooks":[{"name":"`+hook+`","admissionReviewVersions":["v1"],"sideEffects":"None","failurePolicy":"Fail",
		"clientConfig":{"url":"`+s.URL+`","caBundle":"`+authority+`"},"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"`+ns+`"}},
		"rules":[{"apiGroups":["apps"],"apiVersions":["v1"],"operations":["CREATE","UPDATE"],"resources":["deployments"]}]}]}`)
	t.Cleanup(func() { kubectl(t, "delete", "mutatingwebhookconfiguration", hook) })
	meta := func(name string) m {
		return with(named(ns, name), m{"annotations": m{skipAwaitAnnotation: "true"}})
	}
	var err error
	eventually(t, func() string { // the API server knows the webhook some time after it was made
		_, err = p.Create(t, "kubernetes:apps/v1:Deployment", m{"metadata": meta("no" + unique("")), "spec": spec("a", nil)})
		if err != nil {
			return err.Error()
		}
		return ""
	})
	wantErr(t, err, `refused by admission webhook "`+hook+`": not this one`)
	in := m{"metadata": meta("web"), "spec": spec("a:1", nil)}
	r := p.MustCreate(t, "kubernetes:apps/v1:Deployment", in)
	image := kubectl(t, "get", "deployment", "web", "-n", ns, "-o", "jsonpath={.spec.template.spec.containers[*].image} {.metadata.labels.team} {.metadata.annotations.seen}")
	if !strings.HasPrefix(image, "a:1@sha256:") || !strings.Contains(image, " mesh platform ") {
		t.Fatalf("the webhook did nothing: %s", image)
	}
	same(t, p, r, in)
	now := with(in, m{"spec": spec("a:2", nil)})
	same(t, p, r, now, "spec.template.spec.containers[0].image")
	if err := r.Update(now); err != nil {
		t.Fatal(err)
	}
	same(t, p, r, now)
}
