package plattr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"plattr.dev/plattr/internal/providers/embedded"
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

// accessGranted is Access where nothing differs.
const accessGranted = "granted"

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
		a.Access = accessGranted
	}
	return problems
}

// spaceMark is the component template that carries the owner mark. Nothing refers to it, so it changes no index.
func spaceMark(prefix string) string { return "/_component_template/plattr-owner-" + prefix }

// metaOwner is the key of the mark among a template's own data (_meta).
const metaOwner = "plattr.owner"

// owner tells whose a prefix is; "" if nobody's.
func (s *searchServer) owner(ctx context.Context, prefix string) (string, error) {
	var answer struct {
		Templates []struct {
			Template struct {
				Meta map[string]string `json:"_meta"`
			} `json:"component_template"`
		} `json:"component_templates"`
	}
	err := s.call(ctx, http.MethodGet, spaceMark(prefix), nil, &answer)
	if isNotFound(err) {
		return "", nil
	}
	if err != nil || len(answer.Templates) == 0 {
		return "", err
	}
	return answer.Templates[0].Template.Meta[metaOwner], nil
}

func (c client) setSearchSpace(ctx context.Context, op embedded.Op, a SearchSpaceArgs) error {
	err := c.onSearch(ctx, func(ctx context.Context, s *searchServer) error {
		owner, err := s.owner(ctx, a.Prefix)
		if err != nil {
			return err
		}
		if owner != "" && owner != op.Owner {
			return &ForeignError{Kind: "index prefix", Name: a.Prefix, Owner: owner}
		}
		if owner == "" {
			if err := s.mustBeEmpty(ctx, a.Prefix); err != nil {
				return err
			}
		}
		mark := map[string]any{"template": map[string]any{}, "_meta": map[string]string{metaOwner: op.Owner}}
		if err := s.call(ctx, http.MethodPut, spaceMark(a.Prefix), mark, nil); err != nil {
			return err
		}
		if a.Username == "" {
			return nil
		}
		return s.grant(ctx, a)
	})
	if err != nil {
		return fmt.Errorf("make index prefix %s: %w", a.Prefix, err)
	}
	return nil
}

// mustBeEmpty refuses a prefix under which somebody has indices already: they would be deleted with the space.
func (s *searchServer) mustBeEmpty(ctx context.Context, prefix string) error {
	names, err := s.indices(ctx, prefix)
	if err == nil && len(names) > 0 {
		err = &ForeignError{Kind: "index", Name: names[0]}
	}
	return err
}

func readSearchSpace(ctx context.Context, c client, op embedded.Op, id string, a SearchSpaceArgs) (SearchSpaceArgs, error) {
	if op.Import {
		a.Prefix = id
	}
	err := c.onSearch(ctx, func(ctx context.Context, s *searchServer) error {
		owner, err := s.owner(ctx, a.Prefix)
		if err != nil {
			return err
		}
		if owner != op.Owner {
			return embedded.ErrGone
		}
		if a.Username == "" {
			return nil
		}
		a.Access, err = s.granted(ctx, a)
		return err
	})
	if err != nil {
		return a, fmt.Errorf("read index prefix %s: %w", id, err)
	}
	return a, nil
}

func deleteSearchSpace(ctx context.Context, c client, op embedded.Op, id string, a SearchSpaceArgs) error {
	err := c.onSearch(ctx, func(ctx context.Context, s *searchServer) error {
		owner, err := s.owner(ctx, a.Prefix)
		if err != nil || owner != op.Owner {
			return err
		}
		if err := s.empty(ctx, a.Prefix); err != nil {
			return err
		}
		if a.Username != "" {
			if err := s.revoke(ctx, a); err != nil {
				return err
			}
		}
		return ignoreNotFound(s.call(ctx, http.MethodDelete, spaceMark(a.Prefix), nil, nil)) // last: a killed run goes on
	})
	if err != nil {
		return fmt.Errorf("delete index prefix %s: %w", id, err)
	}
	return nil
}

// indices lists the indices of a prefix, hidden and closed ones too, but for those behind data streams.
func (s *searchServer) indices(ctx context.Context, prefix string) ([]string, error) {
	var list []struct{ Index string }
	err := s.call(ctx, http.MethodGet, "/_cat/indices/"+url.PathEscape(prefix)+"*?format=json&h=index&expand_wildcards=all", nil, &list)
	if err != nil {
		return nil, ignoreNotFound(err)
	}
	names := make([]string, 0, len(list))
	for _, i := range list {
		names = append(names, i.Index)
	}
	return names, nil
}

// empty deletes what an application keeps under its prefix: data streams, indices, templates, pipelines. Each index is
// named, because wildcards may be forbidden (action.destructive_requires_name).
func (s *searchServer) empty(ctx context.Context, prefix string) error {
	pattern := url.PathEscape(prefix) + "*"
	if err := ignoreNotFound(s.call(ctx, http.MethodDelete, "/_data_stream/"+pattern, nil, nil)); err != nil && !isUnknownPath(err) {
		return err
	}
	names, err := s.indices(ctx, prefix)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			return fmt.Errorf("the server names index %s for prefix %s", name, prefix)
		}
		if err := ignoreNotFound(s.call(ctx, http.MethodDelete, "/"+url.PathEscape(name), nil, nil)); err != nil {
			return err
		}
	}
	for _, kind := range []string{"/_index_template/", "/_template/", "/_component_template/", "/_ingest/pipeline/"} {
		if err := ignoreNotFound(s.call(ctx, http.MethodDelete, kind+pattern, nil, nil)); err != nil {
			return err
		}
	}
	return nil
}

// errNoSearch is a configuration without a server to make spaces on.
var errNoSearch = errors.New("the plattr provider has no searchUrl")

// onSearch runs f once the server answers: it may just be starting.
func (c client) onSearch(ctx context.Context, f func(ctx context.Context, s *searchServer) error) error {
	if c.search == nil {
		return errNoSearch
	}
	return patiently(ctx, func(ctx context.Context) error { return f(ctx, c.search) }, isSearchStarting)
}
