package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"plattr.dev/plattr/internal/kubeapi"
)

// diff says what an update would change. The API server answers: it applies the inputs without keeping the result. What
// belongs to others is taken by force in this dry run, so that it shows as a change; whether it may be taken is decided
// by the update.
func (j *job) diff(ctx context.Context, req plugin.DiffRequest) (plugin.DiffResult, error) {
	state := &unstructured.Unstructured{Object: toObject(req.OldOutputs)}
	olds, news := toObject(req.OldInputs), toObject(req.NewInputs)
	t, err := j.locate(ctx, news, false)
	if err != nil && !errors.Is(err, kubeapi.ErrNoKind) {
		return plugin.DiffResult{}, j.explain(t, err)
	}
	if err == nil && !t.Mapping.Namespaced {
		dropNamespace(olds, news)
	}
	guess := wanted(state.Object, olds, news)
	outcome := func(changes []change) (plugin.DiffResult, error) {
		plain, _ := news["stringData"].(map[string]any)
		res := result(changes, j.provider.settings.rulesOf(t.GVK, olds, news), ignorePaths(req.IgnoreChanges), plain)
		replaceUnready(&res, state.Object, news)
		return res, nil
	}
	if errors.Is(err, kubeapi.ErrNoKind) || hasUnknown(news) || moved(guess) {
		return outcome(guess)
	}
	manager := j.manager(req.OldOutputs, req.NewInputs)
	then, err := j.dryRun(ctx, t, j.body(t, news, string(state.GetUID())), manager, state.GetResourceVersion())
	switch {
	case err == nil && then.GetDeletionTimestamp() != nil:
		return outcome(append(guess, change{path: path{"metadata", "deletionTimestamp"}, had: true}))
	case err == nil:
		live := state
		if then.GetResourceVersion() != state.GetResourceVersion() {
			if live, err = j.Find(ctx, t); err != nil {
				return plugin.DiffResult{}, j.explain(t, err)
			}
			if live == nil {
				return outcome([]change{{path: path{"metadata", "uid"}, had: true}})
			}
		}
		return outcome(actual(live.Object, then.Object, olds, news, ownedBy(live, manager)))
	case kubeapi.IsIdentity(err), apierrors.IsNotFound(err):
		return outcome(append(guess, change{path: path{"metadata", "uid"}, had: true, has: true}))
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err) && !kubeapi.NoDryRun(err), kubeapi.IsRefused(err):
		// An update would be refused, and say why; a replacement may be taken.
		return outcome(drifted(guess, state.Object, olds, ownedBy(state, manager)))
	case kubeapi.NoDryRun(err), apierrors.IsForbidden(err), apierrors.IsMethodNotSupported(err), kubeapi.WebhookDown(err):
		j.say(diag.Debug, "%s: a dry run is refused, so the account of the fields is compared: %s", t, err)
		return outcome(drifted(guess, state.Object, olds, ownedBy(state, manager)))
	default:
		return plugin.DiffResult{}, j.explain(t, err)
	}
}

// moved says that the program names another object.
func moved(changes []change) bool {
	for _, c := range changes {
		if c.path.under("metadata", "name") || c.path.under("metadata", "namespace") {
			return true
		}
	}
	return false
}

// dryRun asks once for what the same apply would make of the same version of an object: a run that refreshes first asks
// for the difference twice.
func (j *job) dryRun(ctx context.Context, t kubeapi.Target, body map[string]any, manager, version string) (*unstructured.Unstructured, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", t, err)
	}
	sum := sha256.Sum256(append(raw, manager+" "+version...))
	key := hex.EncodeToString(sum[:])
	if known, ok := j.provider.dryRuns.Load(key); ok {
		return known.(*unstructured.Unstructured), nil //nolint:forcetypeassert // nothing else is kept
	}
	then, err := j.Apply(ctx, t, body, kubeapi.ApplyOptions{Manager: manager, Force: true, DryRun: true})
	if err == nil && then.GetResourceVersion() == version {
		j.provider.dryRuns.Store(key, then)
	}
	return then, err
}

// replaceUnready makes a new Job of one that has failed, if the program says so.
// Source: pulumi-kubernetes, provider/pkg/provider/provider.go, Diff (ReplaceUnready).
func replaceUnready(res *plugin.DiffResult, live, news map[string]any) {
	if kubeapi.Text(news, "kind") != "Job" || !says(news, replaceUnreadyKey) || kubeapi.IsTrue(kubeapi.Condition(live, "Complete")) {
		return
	}
	name := `metadata.annotations["` + replaceUnreadyKey + `"]`
	res.Changes, res.DeleteBeforeReplace = plugin.DiffSome, true
	res.ReplaceKeys = append(res.ReplaceKeys, "metadata")
	res.DetailedDiff[name] = plugin.PropertyDiff{Kind: plugin.DiffUpdateReplace}
	res.ChangedKeys = append(res.ChangedKeys, "metadata")
}

func dropNamespace(objects ...map[string]any) {
	for _, o := range objects {
		if meta, ok := o["metadata"].(map[string]any); ok {
			delete(meta, "namespace")
		}
	}
}

// setString puts a value of a Secret's data back into its stringData.
func setString(plain map[string]any, key string, value any, has bool) {
	s, _ := value.(string)
	raw, err := base64.StdEncoding.DecodeString(s)
	if !has || err != nil {
		delete(plain, key)
		return
	}
	plain[key] = string(raw)
}
