package kubernetes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/client-go/util/jsonpath"

	"plattr.dev/plattr/internal/kubeapi"
)

// conditions are what a program wants to be waited for.
type conditions []func(map[string]any) kubeapi.Verdict

func (c conditions) check(o map[string]any) kubeapi.Verdict {
	for _, check := range c {
		if v := check(o); !v.Ready {
			return v
		}
	}
	return kubeapi.IsReady()
}

// parseWaitFor reads an annotation: "jsonpath={.status.phase}=Running", "condition=Ready" or "condition=Ready=False", or
// a JSON list of these.
// Source: pulumi-kubernetes, provider/pkg/metadata/overrides.go, ReadyCondition; kubectl wait --for.
func parseWaitFor(annotation string) (conditions, error) {
	var list []string
	if json.Unmarshal([]byte(annotation), &list) != nil {
		list = []string{annotation}
	}
	if len(list) == 0 {
		return nil, errors.New("at least one condition must be specified")
	}
	var out conditions
	for _, expr := range list {
		check, err := parseCondition(expr)
		if err != nil {
			return nil, err
		}
		out = append(out, check)
	}
	return out, nil
}

func parseCondition(expr string) (func(map[string]any) kubeapi.Verdict, error) {
	if name, ok := strings.CutPrefix(expr, "condition="); ok {
		name, want, given := strings.Cut(name, "=")
		if !given {
			want = "True"
		}
		return func(o map[string]any) kubeapi.Verdict {
			c := kubeapi.Condition(o, name)
			if c != nil && strings.EqualFold(fmt.Sprint(c["status"]), want) {
				return kubeapi.IsReady()
			}
			return kubeapi.Waiting("condition %s is not %s", name, want)
		}, nil
	}
	rest, ok := strings.CutPrefix(expr, "jsonpath=")
	if !ok {
		return nil, fmt.Errorf(`expected a "jsonpath=" or "condition=" prefix, got %q`, expr)
	}
	pathText, want := rest, ""
	if i := strings.LastIndex(rest, "}="); i >= 0 {
		pathText, want = rest[:i+1], strings.Trim(rest[i+2:], `"'`)
		if want == "" {
			return nil, fmt.Errorf("%s: the value is missing", expr)
		}
	}
	jp := jsonpath.New("waitFor").AllowMissingKeys(true)
	if err := jp.Parse(pathText); err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	return func(o map[string]any) kubeapi.Verdict {
		var b bytes.Buffer
		if err := jp.Execute(&b, o); err != nil {
			return kubeapi.Waiting("%s is not there", pathText)
		}
		if got := b.String(); got != "" && (want == "" || got == want) {
			return kubeapi.IsReady()
		}
		return kubeapi.Waiting("%s is not there", strings.TrimSuffix(expr, "="))
	}, nil
}
