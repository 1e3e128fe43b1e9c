package postgresql

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// markPrefix begins the line of a comment that says which stack made the thing.
const markPrefix = "plattr:owner="

// ForeignError says that a thing with a wanted name is there and is not this stack's.
type ForeignError struct {
	// Kind is role, database, schema.
	Kind string
	// Name is the thing's.
	Name string
	// Owner is the other stack, empty for a thing that a person made.
	Owner string
}

func (e *ForeignError) Error() string {
	if e.Owner == "" {
		return fmt.Sprintf("%s %s exists and was made by a person, not by plattr", e.Kind, e.Name)
	}
	return fmt.Sprintf("%s %s exists and belongs to another stack (%s)", e.Kind, e.Name, e.Owner)
}

// owner finds the stack's name in a comment.
func owner(comment string) string {
	for line := range strings.Lines(comment) {
		if stack, ok := strings.CutPrefix(strings.TrimSpace(line), markPrefix); ok {
			return stack
		}
	}
	return ""
}

// claim is nil for a thing that the stack made, else it says whose it is.
func claim(kind, name, comment, stack string) error {
	if has := owner(comment); has != stack {
		return &ForeignError{Kind: kind, Name: name, Owner: has}
	}
	return nil
}

// comment is the statement that marks a thing. COMMENT takes no parameters.
func comment(kind, quotedName, stack string) string {
	return fmt.Sprintf("COMMENT ON %s %s IS %s", kind, quotedName, literal(markPrefix+stack))
}

// ident quotes a name, or a name within another.
func ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// literal quotes a string for statements that take no parameters. A NUL cannot be in one; the server refuses it.
func literal(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
