package kubernetes

import (
	"strings"
	"testing"
)

func TestWaitFor(t *testing.T) {
	t.Parallel()
	o := m{"status": m{"phase": "Running", "replicas": n(3), "conditions": l{cond("Ready", "True", "", ""), cond("Stalled", "False", "", "")}}}
	cases := map[string]struct {
		expr  string
		ready bool
		err   string
	}{
		"Path":          {"jsonpath={.status.phase}=Running", true, ""},
		"PathNumber":    {"jsonpath={.status.replicas}=3", true, ""},
		"PathOther":     {"jsonpath={.status.phase}=Done", false, ""},
		"PathThere":     {"jsonpath={.status.phase}", true, ""},
		"PathAbsent":    {"jsonpath={.status.nothing}", false, ""},
		"Condition":     {"condition=Ready", true, ""},
		"ConditionNot":  {"condition=Stalled=False", true, ""},
		"ConditionLack": {"condition=Other", false, ""},
		"List":          {`["condition=Ready","jsonpath={.status.phase}=Running"]`, true, ""},
		"ListOne":       {`["condition=Ready","condition=Other"]`, false, ""},
		"Empty":         {`[]`, false, "at least one condition"},
		"Prefix":        {"phase=Running", false, `expected a "jsonpath=" or "condition=" prefix`},
		"Syntax":        {"jsonpath={.status", false, "unclosed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := parseWaitFor(tc.expr)
			if tc.err != "" || err != nil {
				if err == nil || tc.err == "" || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error = %v, want %q", err, tc.err)
				}
				return
			}
			if v := c.check(o); v.Ready != tc.ready {
				t.Errorf("%+v", v)
			}
		})
	}
}
