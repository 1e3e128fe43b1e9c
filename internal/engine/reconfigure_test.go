package engine_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/engine/enginetest"
)

// listening notes the addresses that a provider is configured with.
type listening struct {
	plugin.Provider
	mu    *sync.Mutex
	heard *[]string
}

func (p listening) Configure(ctx context.Context, req plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	address := req.Inputs["address"]
	if address.IsSecret() {
		address = address.SecretValue().Element
	}
	if address.IsString() {
		p.mu.Lock()
		*p.heard = append(*p.heard, address.StringValue())
		p.mu.Unlock()
	}
	return p.Provider.Configure(ctx, req)
}

// TestReconfigure: what the state's provider knows of its server is replaced before a refresh or a destroy could ask there.
func TestReconfigure(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var heard []string
	p := newPlace(t, func(o *engine.Options) {
		inner := o.Providers[enginetest.Package]
		o.Providers[enginetest.Package] = func() plugin.Provider { return listening{inner(), &mu, &heard} }
	})
	program := func(address string, files ...string) pulumi.RunFunc {
		return func(ctx *pulumi.Context) error {
			var at pulumi.ProviderResourceState
			inputs := pulumi.Map{"address": pulumi.ToSecret(pulumi.String(address))}
			if err := ctx.RegisterResource("pulumi:providers:"+enginetest.Package, "at", inputs, &at); err != nil {
				return err
			}
			for _, name := range files {
				if _, err := enginetest.NewFile(ctx, name, pulumi.Map{"content": pulumi.String("x")}, pulumi.Provider(&at)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	up(t, p, "a", program("old-address", "f"), engine.RunOptions{})
	for _, again := range []string{"new-address", "newer-address"} {
		if err := p.Reconfigure(t.Context(), "a", program(again)); err != nil {
			t.Fatal(err)
		}
		heard = nil
		if res, err := p.Refresh(t.Context(), "a", engine.RunOptions{}); err != nil || len(res.Drift) > 0 {
			t.Fatalf("refresh: %v, drift %v", err, res.Drift)
		}
		if diff := cmp.Diff([]string{again}, slices.Compact(heard)); diff != "" {
			t.Errorf("the refresh asks at (-want +got):\n%s", diff)
		}
	}
	if res := up(t, p, "a", program("newer-address", "f"), engine.RunOptions{Refresh: true}); res.Changed() {
		t.Errorf("the program that says the same changes %v", res.Changes)
	}
	exported, err := p.Export(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := json.Marshal(exported); err != nil || strings.Contains(string(raw), "address\":\"new") {
		t.Errorf("the state has the secret in clear, or %v", err)
	}
	if err := p.Reconfigure(t.Context(), "none", program("x")); err == nil {
		t.Error("a stack that does not exist has been reconfigured")
	}
}
