package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// errNoKind is the error for a kind that the API server does not have.
var errNoKind = errors.New("no such kind")

// patience is how long a cluster is asked again when it cannot answer.
type patience struct {
	// first is for a cluster that has not answered yet: more likely it is not there.
	first time.Duration
	// later is for one that has: it restarts, or has too much to do.
	later time.Duration
	// broken is for an internal error, such as a webhook that nobody serves.
	broken time.Duration
	// order is how long something waits for what it needs: its namespace, the definition of its kind.
	order time.Duration
}

func usualPatience() patience {
	return patience{first: 3 * time.Second, later: 40 * time.Second, broken: 10 * time.Second, order: 15 * time.Second}
}

// cluster is one API server as one user: the client, and what is known of its kinds. It is shared by all providers of
// an engine that mean the same.
type cluster struct {
	access

	patience patience
	url      string
	http     *http.Client
	client   dynamic.Interface
	reached  atomic.Bool // it has answered

	mu    sync.Mutex
	kinds map[schema.GroupVersion]map[string]mapping
}

func newCluster(a access) (*cluster, error) {
	client, err := rest.HTTPClientFor(a.config)
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", a.config.Host, err)
	}
	dyn, err := dynamic.NewForConfigAndClient(a.config, client)
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", a.config.Host, err)
	}
	url, _, err := rest.DefaultServerUrlFor(a.config)
	if err != nil {
		return nil, fmt.Errorf("address of the cluster: %w", err)
	}
	return &cluster{
		access: a, patience: usualPatience(), url: strings.TrimSuffix(url.String(), "/"), http: client, client: dyn,
		kinds: map[schema.GroupVersion]map[string]mapping{},
	}, nil
}

// target is one object: where it is and what it is called.
type target struct {
	gvk       schema.GroupVersionKind
	mapping   mapping
	namespace string
	name      string
}

// String is how people are told of the object.
func (t target) String() string {
	if t.namespace == "" {
		return t.gvk.Kind + " " + t.name
	}
	return t.gvk.Kind + " " + t.namespace + "/" + t.name
}

func (c *cluster) resource(t target) dynamic.ResourceInterface {
	r := c.client.Resource(t.mapping.resource)
	if t.mapping.namespaced {
		return r.Namespace(t.namespace)
	}
	return r
}

// mapping finds a kind. Kubernetes' own that stacks use are known; others are asked for once, by group and version.
func (c *cluster) mapping(ctx context.Context, gvk schema.GroupVersionKind) (mapping, error) {
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
	return mapping{}, fmt.Errorf("%s %s: %w", gv, gvk.Kind, errNoKind)
}

// forget drops what is known of a group: its definition was changed or deleted.
func (c *cluster) forget(group string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for gv := range c.kinds {
		if gv.Group == group {
			delete(c.kinds, gv)
		}
	}
}

func (c *cluster) discover(ctx context.Context, gv schema.GroupVersion) (map[string]mapping, error) {
	path := c.url + "/apis/" + gv.String()
	if gv.Group == "" {
		path = c.url + "/api/" + gv.Version
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("look for the kinds of %s: %w", gv, err)
	}
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("look for the kinds of %s: %w", gv, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("look for the kinds of %s: %w", gv, err)
	case res.StatusCode == http.StatusNotFound:
		return map[string]mapping{}, nil
	case res.StatusCode != http.StatusOK:
		return nil, apierrors.NewGenericServerResponse(res.StatusCode, "get", schema.GroupResource{Group: gv.Group},
			"", strings.TrimSpace(string(body)), 0, true)
	}
	var found metav1.APIResourceList
	if err := json.Unmarshal(body, &found); err != nil {
		return nil, fmt.Errorf("look for the kinds of %s: %w", gv, err)
	}
	kinds := make(map[string]mapping, len(found.APIResources))
	for _, r := range found.APIResources {
		if !strings.Contains(r.Name, "/") {
			kinds[r.Kind] = mapping{resource: gv.WithResource(r.Name), namespaced: r.Namespaced}
		}
	}
	return kinds, nil
}

// try asks again while the cluster cannot answer. Whatever is asked of it may be asked twice: reads, applies, and deletes
// of one certain object.
func (c *cluster) try(ctx context.Context, ask func() error) error {
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
func (c *cluster) limit(err error) time.Duration {
	switch {
	case err == nil || strings.Contains(err.Error(), "failed to create typed patch object"):
		return 0
	case apierrors.IsTooManyRequests(err), apierrors.IsServiceUnavailable(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err):
		return c.patience.later
	case apierrors.IsInternalError(err), badGateway(err):
		return c.patience.broken
	case !interrupted(err):
		return 0
	case c.reached.Load():
		return c.patience.later
	default:
		return c.patience.first
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

func (c *cluster) get(ctx context.Context, t target) (*unstructured.Unstructured, error) {
	var live *unstructured.Unstructured
	err := c.try(ctx, func() (err error) {
		live, err = c.resource(t).Get(ctx, t.name, metav1.GetOptions{})
		return err //nolint:wrapcheck // looked at by its type, and explained once
	})
	return live, err
}

// find is get for things that may be absent: then it returns nil.
func (c *cluster) find(ctx context.Context, t target) (*unstructured.Unstructured, error) {
	live, err := c.get(ctx, t)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // absent
	}
	return live, err
}

func (c *cluster) list(ctx context.Context, gvk schema.GroupVersionKind, namespace string, o metav1.ListOptions) ([]map[string]any, error) {
	var found *unstructured.UnstructuredList
	t := target{gvk: gvk, mapping: builtin[gvk], namespace: namespace}
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

// how says how an object is applied.
type how struct {
	manager string
	force   bool
	dryRun  bool
}

// apply sends an object by server-side apply and returns it as it then is, or would be.
func (c *cluster) apply(ctx context.Context, t target, o map[string]any, h how) (*unstructured.Unstructured, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", t, err)
	}
	options := metav1.PatchOptions{FieldManager: h.manager, Force: &h.force, FieldValidation: metav1.FieldValidationStrict}
	if h.dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	var live *unstructured.Unstructured
	err = c.try(ctx, func() (err error) {
		live, err = c.resource(t).Patch(ctx, t.name, types.ApplyPatchType, body, options)
		return err //nolint:wrapcheck // looked at by its type, and explained once
	})
	return live, err
}

// remove asks for one certain object to be deleted.
func (c *cluster) remove(ctx context.Context, t target, uid types.UID, policy metav1.DeletionPropagation) error {
	return c.try(ctx, func() error {
		return c.resource(t).Delete(ctx, t.name, metav1.DeleteOptions{
			PropagationPolicy: &policy, Preconditions: &metav1.Preconditions{UID: &uid},
		})
	})
}

// follow calls visit with the object as it is, nil when it is not there, again at every change, and at every tick. A
// watch that breaks is begun anew from the object as it then is, so nothing is missed.
func (c *cluster) follow(ctx context.Context, t target, tick time.Duration, visit func(*unstructured.Unstructured) (bool, error)) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		live, err := c.find(ctx, t)
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

func (c *cluster) watch(
	ctx context.Context, t target, live *unstructured.Unstructured, tick <-chan time.Time,
	visit func(*unstructured.Unstructured) (bool, error),
) (bool, error) {
	options := metav1.ListOptions{FieldSelector: "metadata.name=" + t.name}
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
