package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/pkg/v3/resource/deploy"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/spf13/pflag"

	"plattr.dev/plattr/internal/engine/linked"
	"plattr.dev/plattr/internal/engine/state"
)

func importFlags(f *pflag.FlagSet) {
	updateFlags(f)
	f.StringP("file", "f", "", "")
	f.StringP("out", "o", "", "")
	f.Bool("protect", true, "")
	f.Bool("generate-code", true, "")
}

// importFile is the file of `pulumi import --file`.
type importFile struct {
	NameTable map[string]resource.URN `json:"nameTable"`
	Resources []importSpec            `json:"resources"`
}

type importSpec struct {
	Type        tokens.Type `json:"type"`
	Name        string      `json:"name"`
	LogicalName string      `json:"logicalName"`
	ID          resource.ID `json:"id"`
	Parent      string      `json:"parent"`
	Provider    string      `json:"provider"`
	Version     string      `json:"version"`
	Properties  []string    `json:"properties"`
	Component   bool        `json:"component"`
	Remote      bool        `json:"remote"`
}

// importResources takes existing resources into the stack. No code is generated: --out gets a comment that says so.
func (s *session) importResources(ctx context.Context, _ []string) error {
	raw, err := os.ReadFile(s.text("file"))
	if err != nil {
		return fmt.Errorf("read import file: %w", err)
	}
	var f importFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return fmt.Errorf("read import file: %w", err)
	}
	_, ref, err := s.existing(ctx, "")
	if err != nil {
		return err
	}
	imports, err := f.imports(ref, s.flag("protect"))
	if err != nil {
		return fmt.Errorf("import file: %w", err)
	}
	if out := s.text("out"); out != "" {
		if err := os.WriteFile(out, []byte("// The linked engine imports resources, it does not generate code.\n"), 0o600); err != nil {
			return err
		}
	}
	return s.update(ctx, linked.Request{
		Kind: apitype.ResourceImportUpdate, Imports: imports, DryRun: s.flag("preview-only"),
	})
}

// imports resolves parents and providers, which are names of the name table or of earlier resources of the file.
func (f importFile) imports(ref state.Ref, protect bool) ([]deploy.Import, error) {
	urns := map[string]resource.URN{}
	maps.Copy(urns, f.NameTable)
	find := func(name string) (resource.URN, error) {
		if name == "" {
			return "", nil
		}
		urn, ok := urns[name]
		if !ok {
			return "", fmt.Errorf("%q is neither in the name table nor an earlier resource", name)
		}
		return urn, nil
	}
	var all []deploy.Import
	for i, spec := range f.Resources {
		name := spec.LogicalName
		if name == "" {
			name = spec.Name
		}
		if spec.Type == "" || name == "" || (spec.ID == "") != spec.Component {
			return nil, fmt.Errorf("resource %d (%s %s): want type, name and id; a component has no id", i, spec.Type, name)
		}
		parent, parentErr := find(spec.Parent)
		provider, providerErr := find(spec.Provider)
		if err := errors.Join(parentErr, providerErr); err != nil {
			return nil, fmt.Errorf("resource %d (%s): %w", i, name, err)
		}
		imp := deploy.Import{
			Type: spec.Type, Name: name, ID: spec.ID, Parent: parent, Provider: provider, Protect: protect,
			Properties: spec.Properties, Component: spec.Component, Remote: spec.Remote,
		}
		if spec.Version != "" {
			v, err := semver.ParseTolerant(spec.Version)
			if err != nil {
				return nil, fmt.Errorf("resource %d (%s): version: %w", i, name, err)
			}
			imp.Version = &v
		}
		all = append(all, imp)
		urns[spec.Name] = resource.NewURN(
			tokens.QName(ref.Stack), tokens.PackageName(ref.Project), parentType(parent), spec.Type, name)
	}
	return all, nil
}

func parentType(parent resource.URN) tokens.Type {
	if parent == "" || parent.QualifiedType() == resource.RootStackType {
		return ""
	}
	return parent.QualifiedType()
}
