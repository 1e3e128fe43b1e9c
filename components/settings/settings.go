// Package settings puts what an application finds in its environment into its namespace: for each part a Secret, a
// ConfigMap, or both.
package settings

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/providers/plattr/sdk"
)

// Type is the Pulumi type token; changing it replaces every deployed Settings.
const Type = "plattr:components:Settings"

// Args is what a Settings needs. The component takes its providers, kubernetes and plattr, from its resource options.
type Args struct {
	App kube.App
	// Parts become objects called <application>-<name>. Where two have a variable of one name, the later one counts.
	Parts []Part
}

// Part is what belongs together: the database's variables, sign-in's, the user's own.
type Part struct {
	// Name ends the names of the part's objects.
	Name string
	// Secret goes into a Secret, Plain into a ConfigMap; nil makes none.
	Secret, Plain pulumi.StringMapInput
	// Apart keeps the part out of the application's own environment: others read it.
	Apart bool
}

// Settings are an application's variables in its namespace.
type Settings struct {
	pulumi.ResourceState

	// Sources are the objects, in the order of the parts: a later one counts more.
	Sources []kube.Source
	// Apart are the objects of parts that are none of the application's own environment, by the parts' names.
	Apart map[string]kube.Source
	// Hash changes with any value, and gives none away: it is keyed with a random secret.
	Hash pulumi.StringOutput
}

// New registers a Settings and its objects.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Settings, error) {
	if err := args.App.Validate(); err != nil {
		return nil, fmt.Errorf("settings %q: %w", name, err)
	}
	s := &Settings{Apart: map[string]kube.Source{}}
	if err := ctx.RegisterComponentResource(Type, name, s, opts...); err != nil {
		return nil, fmt.Errorf("register settings %q: %w", name, err)
	}
	key, err := sdk.NewSecret(ctx, name+"-settings-key", nil, pulumi.Parent(s))
	if err != nil {
		return nil, fmt.Errorf("settings %q: %w", name, err)
	}
	values := []any{key.Value}
	for _, part := range args.Parts {
		if err := s.add(ctx, args.App, name, part); err != nil {
			return nil, fmt.Errorf("settings %q: part %s: %w", name, part.Name, err)
		}
		for _, kind := range []pulumi.StringMapInput{part.Secret, part.Plain} {
			if kind != nil {
				values = append(values, kind)
			}
		}
	}
	s.Hash = hash(values)
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{"hash": s.Hash}) //nolint:wrapcheck // there is nothing to add
}

// add makes a part's objects.
func (s *Settings) add(ctx *pulumi.Context, app kube.App, name string, part Part) error {
	object := app.Name + "-" + part.Name
	if part.Plain != nil {
		made, err := corev1.NewConfigMap(ctx, name+"-"+part.Name, &corev1.ConfigMapArgs{
			Metadata: app.Object(object), Data: part.Plain,
		}, pulumi.Parent(s))
		if err != nil {
			return err //nolint:wrapcheck // New says which part
		}
		s.source(part, kube.Source{Name: made.Metadata.Name().Elem()})
	}
	if part.Secret != nil {
		made, err := corev1.NewSecret(ctx, name+"-"+part.Name, &corev1.SecretArgs{
			Metadata: app.Object(object), Type: pulumi.String("Opaque"),
			StringData: pulumi.ToSecret(part.Secret).(pulumi.StringMapOutput), //nolint:forcetypeassert // keeps the type
		}, pulumi.Parent(s))
		if err != nil {
			return err //nolint:wrapcheck // New says which part
		}
		s.source(part, kube.Source{Secret: true, Name: made.Metadata.Name().Elem()})
	}
	return nil
}

func (s *Settings) source(part Part, source kube.Source) {
	if part.Apart {
		s.Apart[part.Name] = source
		return
	}
	s.Sources = append(s.Sources, source)
}

// hash names the values, of which the first is a key: it keeps whoever reads the pods from trying passwords on the hash.
func hash(values []any) pulumi.StringOutput {
	sum := pulumi.All(values...).ApplyT(func(v []any) (string, error) {
		raw, err := json.Marshal(v[1:])
		if err != nil {
			return "", fmt.Errorf("name the settings: %w", err)
		}
		mac := hmac.New(sha256.New, []byte(v[0].(string))) //nolint:forcetypeassert // a text
		mac.Write(raw)
		return hex.EncodeToString(mac.Sum(nil))[:32], nil
	})
	return pulumi.Unsecret(sum).(pulumi.StringOutput) //nolint:forcetypeassert // keeps the type
}
