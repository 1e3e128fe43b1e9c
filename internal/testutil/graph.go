package testutil

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Graph runs a Pulumi program against a monitor that creates nothing, and returns what the program declared as text:
// per resource a line with type, name, parent and options, and a line per input. Secrets print as [secret]. The order
// is that of the names, so that it does not depend on goroutines.
func Graph(t testing.TB, program pulumi.RunFunc) (string, error) {
	t.Helper()
	g := &graph{resources: map[string]string{}}
	err := pulumi.RunErr(program, pulumi.WithMocks("plattr", "test", g))
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(g.resources)) {
		out.WriteString(g.resources[key])
	}
	return out.String(), err
}

type graph struct {
	mu        sync.Mutex
	resources map[string]string
}

// Call answers function calls of providers; no component makes one.
func (g *graph) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("unexpected call of %s", args.Token)
}

// NewResource records a resource. Outputs that only a server knows are named after where they come from.
func (g *graph) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "%s  %s", args.TypeToken, args.Name)
	if rpc := args.RegisterRPC; rpc != nil {
		if parent := resource.URN(rpc.GetParent()); parent != "" && parent.QualifiedType() != resource.RootStackType {
			fmt.Fprintf(&out, "  parent=%s", label(parent))
		}
		if with := resource.URN(rpc.GetDeletedWith()); with != "" {
			fmt.Fprintf(&out, "  deletedWith=%s", label(with))
		}
		if rpc.GetRetainOnDelete() {
			out.WriteString("  retainOnDelete")
		}
		if rpc.GetProtect() {
			out.WriteString("  protect")
		}
		var after []string
		for _, d := range rpc.GetDependencies() {
			after = append(after, label(resource.URN(d)))
		}
		if slices.Sort(after); len(after) > 0 {
			fmt.Fprintf(&out, "  after=%s", strings.Join(after, ","))
		}
	}
	out.WriteString("\n")
	for _, key := range args.Inputs.StableKeys() {
		fmt.Fprintf(&out, "    %s: %s\n", key, show(args.Inputs[key]))
	}
	g.mu.Lock()
	g.resources[args.TypeToken+" "+args.Name] = out.String()
	g.mu.Unlock()

	state := args.Inputs.Copy()
	for _, output := range serverOutputs()[args.TypeToken] {
		if name, secret := strings.CutPrefix(output, "secret "); secret {
			state[resource.PropertyKey(name)] = resource.MakeSecret(resource.NewStringProperty(args.Name + "." + name))
		} else if !state.HasValue(resource.PropertyKey(output)) {
			state[resource.PropertyKey(output)] = resource.NewStringProperty(args.Name + "." + output)
		}
	}
	return args.Name + "-id", state, nil
}

// serverOutputs are the outputs that only a server knows and that components use.
func serverOutputs() map[string][]string {
	return map[string][]string{
		"plattr:index:Secret":           {"secret value"},
		"keycloak:openid/client:Client": {"secret clientSecret"},
		"plattr:index:IdentityMetadata": {
			"entityId", "authorizationUrl", "tokenUrl", "userInfoUrl", "jwksUrl", "logoutUrl", "singleSignOnUrl",
			"singleLogoutUrl", "certificate",
		},
	}
}

// label is the last word of the type and the name: types share names.
func label(urn resource.URN) string { return urn.Type().Name().String() + "/" + urn.Name() }

// show prints a property in one line.
func show(v resource.PropertyValue) string {
	switch {
	case v.IsSecret():
		return "[secret]"
	case v.IsComputed(), v.IsOutput():
		return "[unknown]"
	case v.IsArray():
		parts := make([]string, 0, len(v.ArrayValue()))
		for _, e := range v.ArrayValue() {
			parts = append(parts, show(e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case v.IsObject():
		var parts []string
		for _, k := range v.ObjectValue().StableKeys() {
			parts = append(parts, string(k)+"="+show(v.ObjectValue()[k]))
		}
		return "{" + strings.Join(parts, " ") + "}"
	default:
		return fmt.Sprint(v.V)
	}
}
