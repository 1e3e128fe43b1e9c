package kubernetes

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/kubeapi"
)

// wanted are the differences between what is and what the program asks for, seen from outside the API server: the live
// object cut to the shape of the old inputs, against the new inputs. The API server may still find that some say the
// same in another way.
// Source: pulumi-kubernetes, provider/pkg/provider/provider.go, Diff ("pruned live" inputs).
func wanted(live, olds, news map[string]any) []change {
	was, _ := prune(live, merged(olds)).(map[string]any)
	return program(differences(was, merged(news)))
}

// merged are inputs as the API server keeps them.
func merged(inputs map[string]any) map[string]any {
	if _, ok := inputs["stringData"]; !ok {
		return inputs
	}
	out := cloneObject(inputs)
	encodeStrings(out)
	return out
}

// actual are the differences that an apply makes, of which a person wants to know: those at fields that the program has,
// or had. Only if there is none of these, the others that are ours: what an earlier apply has left, or the owner's mark.
// What a webhook adds each time anew is neither.
func actual(live, then, olds, news map[string]any, ours owned) []change {
	olds, news = merged(olds), merged(news)
	var own, other []change
	for _, c := range program(differences(live, then)) {
		_, isNew := at(news, c.path)
		_, isOld := at(olds, c.path)
		switch {
		case isNew || isOld:
			own = append(own, c)
		case c.had && ours.has(live, c.path), kubeapi.Annotation(live, markKey) == "" && c.path.under("metadata", "annotations"):
			other = append(other, c)
		}
	}
	if len(own) == 0 {
		return other
	}
	return own
}

// serverSide are the fields that only the API server writes.
//
//nolint:gochecknoglobals // a table, never written
var serverSide = []string{
	"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields", "resourceVersion",
	"selfLink", "uid",
}

func program(changes []change) []change {
	return slices.DeleteFunc(changes, func(c change) bool {
		if c.path.under("status") {
			return true
		}
		return slices.ContainsFunc(serverSide, func(key string) bool { return c.path.under("metadata", key) })
	})
}

// drifted leaves, of the differences seen from outside, those that are real as far as the account of the fields says:
// the program has changed, or the field is not ours any more. It is for where the API server cannot be asked.
func drifted(changes []change, live, olds map[string]any, ours owned) []change {
	olds = merged(olds)
	return slices.DeleteFunc(changes, func(c change) bool {
		was, had := at(olds, c.path)
		unchanged := had == c.has && len(differences(map[string]any{"": was}, map[string]any{"": c.new})) == 0
		return unchanged && ours != nil && ours.has(live, c.path)
	})
}

// result says to the engine what changes, and whether a new object has to be made. Names are always the program's, so
// the old one is deleted first unless the new one is called otherwise.
func result(changes []change, r rules, ignored []resource.PropertyPath, plain map[string]any) plugin.DiffResult {
	res := plugin.DiffResult{Changes: plugin.DiffNone, DetailedDiff: map[string]plugin.PropertyDiff{}}
	renamed := false
	for _, c := range changes {
		shown := c.path
		if _, ok := plain[last(c.path)]; ok && c.path.under("data") {
			shown = append(path{"stringData"}, c.path[1:]...)
		}
		name := shown.String()
		if ignores(ignored, name) {
			continue
		}
		d := plugin.PropertyDiff{Kind: plugin.DiffUpdate}
		switch {
		case !c.had:
			d.Kind = plugin.DiffAdd
		case !c.has:
			d.Kind, d.InputDiff = plugin.DiffDelete, true
		}
		if r.replaces(c) {
			d.Kind = d.Kind.AsReplace()
			res.ReplaceKeys = append(res.ReplaceKeys, resource.PropertyKey(name))
		}
		renamed = renamed || c.path.under("metadata", "name") || c.path.under("metadata", "namespace")
		res.DetailedDiff[name] = d
		if key := resource.PropertyKey(fromKey(shown[0].(string))); !slices.Contains(res.ChangedKeys, key) { //nolint:forcetypeassert // an object's first step is a key
			res.ChangedKeys = append(res.ChangedKeys, key)
		}
	}
	if len(res.DetailedDiff) > 0 {
		res.Changes = plugin.DiffSome
	}
	res.DeleteBeforeReplace = len(res.ReplaceKeys) > 0 && !renamed
	return res
}

func last(p path) string {
	s, _ := p[len(p)-1].(string)
	return s
}

func ignores(ignored []resource.PropertyPath, name string) bool {
	p, err := resource.ParsePropertyPath(name)
	return err == nil && slices.ContainsFunc(ignored, func(i resource.PropertyPath) bool { return i.Contains(p) })
}

func ignorePaths(names []string) []resource.PropertyPath {
	var out []resource.PropertyPath
	for _, n := range names {
		if p, err := resource.ParsePropertyPath(n); err == nil {
			out = append(out, p)
		}
	}
	return out
}
