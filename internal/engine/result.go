package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"plattr.dev/plattr/internal/engine/linked"
)

// The keys of [Result.Changes].
const (
	Created   = "created"
	Updated   = "updated"
	Replaced  = "replaced"
	Deleted   = "deleted"
	Imported  = "imported"
	Unchanged = "same"
)

// Result is what a run did, also one that failed half-way.
type Result struct {
	// Changes counts resources by what happened to them. A key without resources is absent.
	Changes map[string]int
	// Drift lists what a refresh found deleted or changed outside.
	Drift []Drift
	// Outputs are the stack's; nil after a preview.
	Outputs  map[string]Output
	Duration time.Duration
}

// Changed says whether the run did anything, or after a preview would do anything.
func (r Result) Changed() bool {
	for what, n := range r.Changes {
		if what != Unchanged && n > 0 {
			return true
		}
	}
	return len(r.Drift) > 0
}

// Output is a value that a program exports. A secret prints as [secret]; Value is always the value itself.
type Output struct {
	Value  any
	Secret bool
}

// String returns the value as text, masked when it is secret.
func (o Output) String() string {
	if o.Secret {
		return linked.Masked
	}
	return fmt.Sprint(o.Value)
}

// GoString masks a secret in %#v.
func (o Output) GoString() string { return fmt.Sprintf("engine.Output(%s)", o.String()) }

// MarshalJSON writes the value, masked when it is secret.
func (o Output) MarshalJSON() ([]byte, error) {
	v := o.Value
	if o.Secret {
		v = linked.Masked
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode output: %w", err)
	}
	return raw, nil
}

func outputs(m resource.PropertyMap) map[string]Output {
	all := make(map[string]Output, len(m))
	for k, v := range m {
		if resource.IsInternalPropertyKey(k) {
			continue
		}
		all[string(k)] = Output{Value: linked.Plain(v, true), Secret: v.ContainsSecrets()}
	}
	return all
}

// counts sums Pulumi's operations up to what a person wants to know.
func counts(changes map[apitype.OpType]int) map[string]int {
	names := map[apitype.OpType]string{
		apitype.OpCreate: Created, apitype.OpUpdate: Updated, apitype.OpReplace: Replaced, apitype.OpDelete: Deleted,
		apitype.OpSame: Unchanged, apitype.OpImport: Imported, apitype.OpImportReplacement: Imported,
	}
	sums := map[string]int{}
	for op, n := range changes {
		if name, ok := names[op]; ok && n > 0 {
			sums[name] += n
		}
	}
	return sums
}

// changedKeys returns the properties that a step changes, sorted: the paths of a detailed diff, else the keys.
func changedKeys(m apitype.StepEventMetadata) []string {
	var keys []string
	for k := range m.DetailedDiff {
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		keys = append(keys, m.Diffs...)
	}
	keys = append(keys, m.Keys...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// failure makes one error of what the run said: each failed resource with the provider's own message, else what the
// program returned, else what the engine said. Pulumi's summaries of the same are dropped.
func (t *translator) failure(program, err error) error {
	if err == nil {
		return nil
	}
	var failed, rest []error
	seen := map[string]bool{}
	for _, m := range t.errors {
		if seen[m.text] {
			continue
		}
		seen[m.text] = true
		typ, name := split(m.urn)
		if typ == "" || typ == string(resource.RootStackType) {
			rest = append(rest, errors.New(m.text))
			continue
		}
		cause := errors.New(m.text)
		if match := lookUp(m.text); errors.Is(match, ErrProtected) {
			cause = match // Pulumi's text is an instruction for its own CLI
		}
		failed = append(failed, &ResourceError{
			URN: m.urn, Type: typ, Name: name, Operation: t.operations[m.urn], Cause: cause,
		})
	}
	switch {
	case len(failed) > 0:
		return errors.Join(failed...)
	case program != nil:
		return program
	case len(rest) > 0:
		return errors.Join(rest...)
	}
	return err
}
