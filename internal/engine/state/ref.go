package state

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// Ref names one stack: its project and its own name.
type Ref struct {
	Project string
	Stack   string
}

// String returns the full name, as Pulumi writes it into checkpoints.
func (r Ref) String() string { return "organization/" + r.Project + "/" + r.Stack }

// ParseRef reads "stack", "project/stack" or "organization/project/stack"; project is the default one.
func ParseRef(project, name string) (Ref, error) {
	parts := strings.Split(name, "/")
	ref := Ref{Project: project, Stack: parts[len(parts)-1]}
	switch {
	case len(parts) == 2:
		ref.Project = parts[0]
	case len(parts) == 3 && parts[0] == "organization":
		ref.Project = parts[1]
	case len(parts) != 1:
		return Ref{}, fmt.Errorf("stack name %q: want stack, project/stack or organization/project/stack", name)
	}
	if _, err := tokens.ParseStackName(ref.Stack); err != nil || ref.Stack == "." || ref.Stack == ".." {
		return Ref{}, fmt.Errorf("stack name %q: use letters, digits, hyphens, underscores and dots only", name)
	}
	if err := tokens.ValidateProjectName(ref.Project); err != nil || ref.Project == "." || ref.Project == ".." {
		return Ref{}, fmt.Errorf("project name %q: use letters, digits, hyphens, underscores and dots only", ref.Project)
	}
	return ref, nil
}
