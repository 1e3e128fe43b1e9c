package settings_test

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/settings"
	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/testutil"
)

// written is a Settings as a golden case has it.
type written struct {
	App   kube.App
	Parts []struct {
		Name          string
		Secret, Plain map[string]string
		Apart         bool
	}
}

func (w *written) args() *settings.Args {
	args := &settings.Args{App: w.App}
	for _, p := range w.Parts {
		part := settings.Part{Name: p.Name, Apart: p.Apart}
		if p.Secret != nil {
			part.Secret = pulumi.ToStringMap(p.Secret)
		}
		if p.Plain != nil {
			part.Plain = pulumi.ToStringMap(p.Plain)
		}
		args.Parts = append(args.Parts, part)
	}
	return args
}

// TestGolden holds what the component declares, case by case.
func TestGolden(t *testing.T) {
	t.Parallel()
	testutil.GoldenArgs(t, "../../testdata/golden/settings", func(ctx *pulumi.Context, w *written) error {
		s, err := settings.New(ctx, "shop", w.args())
		if err == nil {
			for _, source := range s.Sources {
				ctx.Export("source", source.Name)
			}
		}
		return err
	})
}

// TestHash holds that the hash changes with every value, and that it is no secret.
func TestHash(t *testing.T) {
	t.Parallel()
	hashes := map[string]string{}
	for name, value := range map[string]string{"a": "1", "b": "2", "newline": "1\nx=2"} {
		_, err := testutil.Graph(t, func(ctx *pulumi.Context) error {
			s, err := settings.New(ctx, "shop", &settings.Args{
				App:   kube.App{Name: "shop", Namespace: "staging", Environment: "staging"},
				Parts: []settings.Part{{Name: "env", Secret: pulumi.StringMap{"A": pulumi.String(value)}}},
			})
			if err != nil {
				return err
			}
			s.Hash.ApplyT(func(hash string) error { hashes[name] = hash; return nil })
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(hashes) != 3 || hashes["a"] == hashes["b"] || hashes["a"] == hashes["newline"] || strings.Contains(hashes["a"], "1\n") {
		t.Errorf("hashes %v", hashes)
	}
}
