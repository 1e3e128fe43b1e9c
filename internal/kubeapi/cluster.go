// Package kubeapi is one Kubernetes cluster as one user: how it is reached, requests that are asked again while it cannot
// answer, what its errors mean in a line that ends with the next step, and whether an object works, and if not, why.
package kubeapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// ErrNoKind is the error for a kind that the API server does not have.
var ErrNoKind = errors.New("no such kind")

// patience is how long a cluster is asked again when it cannot answer.
type patience struct {
	// first is for a cluster that has not answered yet: more likely it is not there.
	first time.Duration
	// later is for one that has: it restarts, or has too much to do.
	Later time.Duration
	// broken is for an internal error, such as a webhook that nobody serves.
	Broken time.Duration
	// order is how long something waits for what it needs: its namespace, the definition of its kind.
	Order time.Duration
}

func usualPatience() patience {
	return patience{first: 3 * time.Second, Later: 40 * time.Second, Broken: 10 * time.Second, Order: 15 * time.Second}
}

// Cluster is one API server as one user: the client, and what is known of its kinds. It is shared by all providers of
// an engine that mean the same.
type Cluster struct {
	Access

	Patience patience
	url      string
	http     *http.Client
	client   dynamic.Interface
	reached  atomic.Bool // it has answered

	mu    sync.Mutex
	kinds map[schema.GroupVersion]map[string]mapping
}

// New returns the client of a cluster; it is not asked yet.
func New(a Access) (*Cluster, error) {
	client, err := rest.HTTPClientFor(a.Config)
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", a.Config.Host, err)
	}
	dyn, err := dynamic.NewForConfigAndClient(a.Config, client)
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", a.Config.Host, err)
	}
	address, _, err := rest.DefaultServerUrlFor(a.Config)
	if err != nil {
		return nil, fmt.Errorf("address of the cluster: %w", err)
	}
	return &Cluster{
		Access: a, Patience: usualPatience(), url: strings.TrimSuffix(address.String(), "/"), http: client, client: dyn,
		kinds: map[schema.GroupVersion]map[string]mapping{},
	}, nil
}

// URL is the API server's address, without a slash at its end.
func (c *Cluster) URL() string { return c.url }

// Target is one object: where it is and what it is called.
type Target struct {
	GVK       schema.GroupVersionKind
	Mapping   mapping
	Namespace string
	Name      string
}

// TargetOf is an object, or with an empty name all objects, of one of Kubernetes' own kinds.
func TargetOf(gvk schema.GroupVersionKind, namespace, name string) Target {
	return Target{GVK: gvk, Mapping: builtin[gvk], Namespace: namespace, Name: name}
}

// String is how people are told of the object.
func (t Target) String() string {
	switch {
	case t.Name == "" && t.Namespace == "":
		return "all of " + t.GVK.Kind
	case t.Name == "":
		return "all of " + t.GVK.Kind + " in namespace " + t.Namespace
	case t.Namespace == "":
		return t.GVK.Kind + " " + t.Name
	}
	return t.GVK.Kind + " " + t.Namespace + "/" + t.Name
}

func (c *Cluster) resource(t Target) dynamic.ResourceInterface {
	r := c.client.Resource(t.Mapping.resource)
	if t.Mapping.Namespaced {
		return r.Namespace(t.Namespace)
	}
	return r
}

// Mapping finds a kind. Kubernetes' own that stacks use are known; others are asked for once, by group and version.
func (c *Cluster) Mapping(ctx context.Context, gvk schema.GroupVersionKind) (mapping, error) {
	if m, ok := builtin[gvk]; ok {
		return m, nil
	}
	gv := gvk.GroupVersion()
	c.mu.Lock()
	kinds := c.kinds[gv]
	c.mu.Unlock()
	if m, ok := kinds[gvk.Kind]; ok {
		return m, nil
	}
	err := c.try(ctx, func() (err error) { kinds, err = c.discover(ctx, gv); return err })
	if err != nil {
		return mapping{}, err
	}
	c.mu.Lock()
	c.kinds[gv] = kinds
	c.mu.Unlock()
	if m, ok := kinds[gvk.Kind]; ok {
		return m, nil
	}
	return mapping{}, fmt.Errorf("%s %s: %w", gv, gvk.Kind, ErrNoKind)
}

// Forget drops what is known of a group: its definition was changed or deleted.
func (c *Cluster) Forget(group string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for gv := range c.kinds {
		if gv.Group == group {
			delete(c.kinds, gv)
		}
	}
}

func (c *Cluster) discover(ctx context.Context, gv schema.GroupVersion) (map[string]mapping, error) {
	path := "/apis/" + gv.String()
	if gv.Group == "" {
		path = "/api/" + gv.Version
	}
	body, err := c.Stream(ctx, path, nil)
	if apierrors.IsNotFound(err) {
		return map[string]mapping{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the kinds of %s: %w", gv, err)
	}
	defer body.Close()
	var found metav1.APIResourceList
	if err := json.NewDecoder(body).Decode(&found); err != nil {
		return nil, fmt.Errorf("look for the kinds of %s: %w", gv, err)
	}
	kinds := make(map[string]mapping, len(found.APIResources))
	for _, r := range found.APIResources {
		if !strings.Contains(r.Name, "/") {
			kinds[r.Kind] = mapping{resource: gv.WithResource(r.Name), Namespaced: r.Namespaced}
		}
	}
	return kinds, nil
}

// Stream asks once for what is no object, as logs, and returns the answer as it comes. An answer that is none is a
// [apierrors.StatusError].
func (c *Cluster) Stream(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	req.Header.Set("Accept", "application/json, */*")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err //nolint:wrapcheck // names the address; looked at by its type, and explained once
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" {
		return nil, &apierrors.StatusError{ErrStatus: status}
	}
	return nil, apierrors.NewGenericServerResponse(res.StatusCode, "get", schema.GroupResource{}, "", strings.TrimSpace(string(body)), 0, true)
}

// Watch tells of changes to the objects of one of Kubernetes' own kinds in a namespace, until it breaks or is stopped.
func (c *Cluster) Watch(ctx context.Context, gvk schema.GroupVersionKind, namespace string, o metav1.ListOptions) (watch.Interface, error) {
	return c.resource(TargetOf(gvk, namespace, "")).Watch(ctx, o) //nolint:wrapcheck // looked at by its type, and explained once
}

// try asks again while the cluster cannot answer. Whatever is asked of it may be asked twice: reads, applies, and deletes
// of one certain object.
func (c *Cluster) try(ctx context.Context, ask func() error) error {
	start, pause := time.Now(), 50*time.Millisecond
	for {
		err := ask()
		if _, answered := errors.AsType[*apierrors.StatusError](err); err == nil || answered {
			c.reached.Store(true)
		}
		limit := c.limit(err)
		if err == nil || ctx.Err() != nil || time.Since(start)+pause > limit {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause = min(2*pause, 2*time.Second)
	}
}

// limit is how long an error is worth asking again; 0 if it is an answer.
func (c *Cluster) limit(err error) time.Duration {
	switch {
	case err == nil || strings.Contains(err.Error(), "failed to create typed patch object"):
		return 0
	case apierrors.IsTooManyRequests(err), apierrors.IsServiceUnavailable(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err):
		return c.Patience.Later
	case apierrors.IsInternalError(err), badGateway(err):
		return c.Patience.Broken
	case !interrupted(err):
		return 0
	case c.reached.Load():
		return c.Patience.Later
	default:
		return c.Patience.first
	}
}

func badGateway(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && status.Status().Code == http.StatusBadGateway
}

// interrupted says that a request was not answered at all.
func interrupted(err error) bool {
	return utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) ||
		utilnet.IsHTTP2ConnectionLost(err) || utilnet.IsTimeout(err)
}

func (c *Cluster) get(ctx context.Context, t Target) (*unstructured.Unstructured, error) {
	var live *unstructured.Unstructured
	err := c.try(ctx, func() (err error) {
		live, err = c.resource(t).Get(ctx, t.Name, metav1.GetOptions{})
		return err //nolint:wrapcheck // looked at by its type, and explained once
	})
	return live, err
}

// Find is get for things that may be absent: then it returns nil.
func (c *Cluster) Find(ctx context.Context, t Target) (*unstructured.Unstructured, error) {
	live, err := c.get(ctx, t)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // absent
	}
	return live, err
}

// List returns the objects of one of Kubernetes' own kinds in a namespace.
func (c *Cluster) List(ctx context.Context, gvk schema.GroupVersionKind, namespace string, o metav1.ListOptions) ([]map[string]any, error) {
	var found *unstructured.UnstructuredList
	t := TargetOf(gvk, namespace, "")
	err := c.try(ctx, func() (err error) {
		found, err = c.resource(t).List(ctx, o)
		return err //nolint:wrapcheck // looked at by its type, and explained once
	})
	if err != nil {
		return nil, err
	}
	out := make([]map[string]any, 0, len(found.Items))
	for i := range found.Items {
		out = append(out, found.Items[i].Object)
	}
	return out, nil
}

// ApplyOptions say how an object is applied.
type ApplyOptions struct {
	Manager string
	Force   bool
	DryRun  bool
}

// Apply sends an object by server-side apply and returns it as it then is, or would be.
func (c *Cluster) Apply(ctx context.Context, t Target, o map[string]any, h ApplyOptions) (*unstructured.Unstructured, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", t, err)
	}
	options := metav1.PatchOptions{FieldManager: h.Manager, Force: &h.Force, FieldValidation: metav1.FieldValidationStrict}
	if h.DryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	var live *unstructured.Unstructured
	err = c.try(ctx, func() (err error) {
		live, err = c.resource(t).Patch(ctx, t.Name, types.ApplyPatchType, body, options)
		return err //nolint:wrapcheck // looked at by its type, and explained once
	})
	return live, err
}

// Remove asks for one certain object to be deleted.
func (c *Cluster) Remove(ctx context.Context, t Target, uid types.UID, policy metav1.DeletionPropagation) error {
	return c.try(ctx, func() error {
		return c.resource(t).Delete(ctx, t.Name, metav1.DeleteOptions{
			PropagationPolicy: &policy, Preconditions: &metav1.Preconditions{UID: &uid},
		})
	})
}

// Follow calls visit with the object as it is, nil when it is not there, again at every change, and at every tick. A
// watch that breaks is begun anew from the object as it then is, so nothing is missed.
func (c *Cluster) Follow(ctx context.Context, t Target, tick time.Duration, visit func(*unstructured.Unstructured) (bool, error)) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		live, err := c.Find(ctx, t)
		if err != nil {
			return err
		}
		if done, err := visit(live); done || err != nil {
			return err
		}
		done, err := c.watch(ctx, t, live, ticker.C, visit)
		if done || err != nil {
			return err
		}
		select { // the watch was dropped, or may not be made
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *Cluster) watch(
	ctx context.Context, t Target, live *unstructured.Unstructured, tick <-chan time.Time,
	visit func(*unstructured.Unstructured) (bool, error),
) (bool, error) {
	options := metav1.ListOptions{FieldSelector: "metadata.name=" + t.Name}
	if live != nil {
		options.ResourceVersion = live.GetResourceVersion()
	}
	w, err := c.resource(t).Watch(ctx, options)
	if err != nil {
		return false, nil //nolint:nilerr // without watches, it is asked again and again
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-tick:
		case e, ok := <-w.ResultChan():
			if !ok {
				return false, nil
			}
			now, ok := e.Object.(*unstructured.Unstructured)
			switch {
			case !ok || e.Type == "ERROR" || e.Type == "BOOKMARK":
				return false, nil
			case e.Type == "DELETED":
				live = nil
			default:
				live = now
			}
		}
		if done, err := visit(live); done || err != nil {
			return done, err
		}
	}
}
