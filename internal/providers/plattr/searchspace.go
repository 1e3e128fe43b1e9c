package plattr

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/plattr/opensearch"
)

// SearchSpaceArgs are the inputs of plattr:index:SearchSpace: all indices whose names begin with a prefix. Where the
// server runs the security plugin, Username and Password make a user who may use just these; elsewhere the prefix is a
// convention.
type SearchSpaceArgs struct {
	// Prefix ends in two hyphens, which no application's name contains: no prefix is the beginning of another.
	Prefix   string `json:"prefix"`
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	// Access is filled in by the provider: what the user should have, and after a Read what differs.
	Access string `json:"access,omitempty"`
}

func (a SearchSpaceArgs) user() opensearch.User {
	return opensearch.User{Name: a.Username, Password: a.Password, Prefix: a.Prefix}
}

var prefixPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*--$`)

func searchSpaceType() *embedded.Type[client, SearchSpaceArgs, SearchSpaceArgs] {
	return &embedded.Type[client, SearchSpaceArgs, SearchSpaceArgs]{
		Token:   "plattr:index:SearchSpace",
		Replace: []string{"prefix", "username"}, Secret: []string{"password"},
		Check: checkSearchSpace,
		Create: func(ctx context.Context, c client, op embedded.Op, a SearchSpaceArgs) (string, SearchSpaceArgs, error) {
			return a.Prefix, a, c.setSearchSpace(ctx, op, a)
		},
		Read: readSearchSpace,
		Update: func(ctx context.Context, c client, op embedded.Op, _ string, _, a SearchSpaceArgs) (SearchSpaceArgs, error) {
			return a, c.setSearchSpace(ctx, op, a)
		},
		Delete: deleteSearchSpace,
	}
}

func checkSearchSpace(a *SearchSpaceArgs) []embedded.Problem {
	var problems []embedded.Problem
	if !prefixPattern.MatchString(a.Prefix) || len(a.Prefix) > 100 {
		problems = append(problems, embedded.Problem{
			Input: "prefix", Reason: fmt.Sprintf("%q is none: lower-case letters, digits and hyphens, two hyphens at the end", a.Prefix),
		})
	}
	if (a.Username == "") != (a.Password == "") {
		problems = append(problems, embedded.Problem{Input: "password", Reason: "username and password belong together"})
	}
	if a.Username != "" {
		a.Access = opensearch.Granted
	}
	return problems
}

func (c client) setSearchSpace(ctx context.Context, op embedded.Op, a SearchSpaceArgs) error {
	err := c.onSearch(ctx, func(ctx context.Context, s *opensearch.Client) error {
		owner, err := s.Owner(ctx, a.Prefix)
		if err != nil {
			return err
		}
		if owner != "" && owner != op.Owner {
			return &ForeignError{Kind: "index prefix", Name: a.Prefix, Owner: owner}
		}
		if owner == "" {
			if err := mustBeEmpty(ctx, s, a.Prefix); err != nil {
				return err
			}
		}
		if err := s.SetOwner(ctx, a.Prefix, op.Owner); err != nil || a.Username == "" {
			return err
		}
		return s.Grant(ctx, a.user())
	})
	if err != nil {
		return fmt.Errorf("make index prefix %s: %w", a.Prefix, err)
	}
	return nil
}

// mustBeEmpty refuses a prefix under which somebody has indices already: they would be deleted with the space.
func mustBeEmpty(ctx context.Context, s *opensearch.Client, prefix string) error {
	names, err := s.Indices(ctx, prefix)
	if err == nil && len(names) > 0 {
		err = &ForeignError{Kind: "index", Name: names[0]}
	}
	return err
}

func readSearchSpace(ctx context.Context, c client, op embedded.Op, id string, a SearchSpaceArgs) (SearchSpaceArgs, error) {
	if op.Import {
		a.Prefix = id
	}
	err := c.onSearch(ctx, func(ctx context.Context, s *opensearch.Client) error {
		owner, err := s.Owner(ctx, a.Prefix)
		if err != nil {
			return err
		}
		if owner != op.Owner {
			return embedded.ErrGone
		}
		if a.Username == "" {
			return nil
		}
		a.Access, err = s.Granted(ctx, a.user())
		return err
	})
	if err != nil {
		return a, fmt.Errorf("read index prefix %s: %w", id, err)
	}
	return a, nil
}

func deleteSearchSpace(ctx context.Context, c client, op embedded.Op, id string, a SearchSpaceArgs) error {
	err := c.onSearch(ctx, func(ctx context.Context, s *opensearch.Client) error {
		owner, err := s.Owner(ctx, a.Prefix)
		if err != nil || owner != op.Owner {
			return err
		}
		if err := s.Empty(ctx, a.Prefix); err != nil {
			return err
		}
		if a.Username != "" {
			if err := s.Revoke(ctx, a.user()); err != nil {
				return err
			}
		}
		return s.RemoveOwner(ctx, a.Prefix) // last: a killed run goes on
	})
	if err != nil {
		return fmt.Errorf("delete index prefix %s: %w", id, err)
	}
	return nil
}

// errNoSearch is a configuration without a server to make spaces on.
var errNoSearch = errors.New("the plattr provider has no searchUrl")

// onSearch runs f once the server answers: it may just be starting.
func (c client) onSearch(ctx context.Context, f func(ctx context.Context, s *opensearch.Client) error) error {
	if c.search == nil {
		return errNoSearch
	}
	return patiently(ctx, func(ctx context.Context) error { return f(ctx, c.search) }, opensearch.IsStarting)
}
