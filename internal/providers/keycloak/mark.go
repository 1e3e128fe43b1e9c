package keycloak

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// markKey is the attribute that says which stack, as project/stack, a thing belongs to. Realms, clients, client scopes
// and roles have it among their attributes, identity providers and mappers in their configuration. A thing without it
// is never ours. Users have no place for it that their realm allows: they belong to who made the realm.
//
// A program may write the mark itself, where the type has an input for it, so that the official plugin writes it too,
// but only its own stack.
const markKey = "plattr.owner"

// masterRealm is Keycloak's own.
const masterRealm = "master"

// ForeignError says that a thing with a wanted name is there and is not this stack's.
type ForeignError struct {
	// Kind is realm, client, role and so on.
	Kind string
	// Name is the thing's.
	Name string
	// Owner is the other stack, empty for a thing that a person or Keycloak itself made.
	Owner string
}

func (e *ForeignError) Error() string {
	switch {
	case e.Kind == "realm" && e.Name == masterRealm:
		return "realm master is Keycloak's own"
	case e.Owner == "":
		return fmt.Sprintf("%s %s exists and was made by a person, not by plattr", e.Kind, e.Name)
	}
	return fmt.Sprintf("%s %s exists and belongs to another stack (%s)", e.Kind, e.Name, e.Owner)
}

// place is where things of a kind carry the mark.
type place int

const (
	inAttributes place = iota // one text
	inLists                   // attributes that are lists of texts
	inConfig                  // one text
	onRealm                   // the realm's mark
)

// owner is the stack that a thing belongs to, empty for none.
func (p place) owner(ctx context.Context, c *admin.Client, realm string, o admin.Object) (string, error) {
	switch p {
	case inLists:
		return strings.Join(texts(o.Sub("attributes")[markKey]), separator), nil
	case inConfig:
		return o.Sub("config").Text(markKey), nil
	case onRealm:
		return realmOwner(ctx, c, realm)
	default:
		return o.Sub("attributes").Text(markKey), nil
	}
}

// set writes the mark.
func (p place) set(o admin.Object, owner string) {
	switch p {
	case inAttributes:
		o.Sub("attributes")[markKey] = owner
	case inLists:
		o.Sub("attributes")[markKey] = []string{owner}
	case inConfig:
		o.Sub("config")[markKey] = owner
	case onRealm:
	}
}

// realmOwner is the stack that a realm belongs to, empty for none.
func realmOwner(ctx context.Context, c *admin.Client, realm string) (string, error) {
	o, err := c.GetRealm(ctx, realm)
	if err != nil {
		return "", err
	}
	if o == nil {
		return "", fmt.Errorf("realm %s does not exist", realm)
	}
	return o.Sub("attributes").Text(markKey), nil
}

// checkMark is an error if the program writes another stack's mark.
func checkMark(declared attributes, owner string) error {
	if m, ok := declared[markKey]; ok && string(m) != owner {
		return fmt.Errorf("attribute %s is %q in the program, but this stack is %q", markKey, m, owner)
	}
	return nil
}

func isForeign(err error) bool {
	var foreign *ForeignError
	return errors.As(err, &foreign)
}
