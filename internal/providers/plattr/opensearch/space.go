package opensearch

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// spaceMark is the component template that carries the owner mark. Nothing refers to it, so it changes no index.
func spaceMark(prefix string) string { return "/_component_template/plattr-owner-" + prefix }

// metaOwner is the key of the mark among a template's own data (_meta).
const metaOwner = "plattr.owner"

// Owner tells whose a prefix is; "" if nobody's.
func (c *Client) Owner(ctx context.Context, prefix string) (string, error) {
	var answer struct {
		Templates []struct {
			Template struct {
				Meta map[string]string `json:"_meta"`
			} `json:"component_template"`
		} `json:"component_templates"`
	}
	err := c.Call(ctx, http.MethodGet, spaceMark(prefix), nil, &answer)
	if IsNotFound(err) {
		return "", nil
	}
	if err != nil || len(answer.Templates) == 0 {
		return "", err
	}
	return answer.Templates[0].Template.Meta[metaOwner], nil
}

// SetOwner marks a prefix as a stack's.
func (c *Client) SetOwner(ctx context.Context, prefix, owner string) error {
	mark := map[string]any{"template": map[string]any{}, "_meta": map[string]string{metaOwner: owner}}
	return c.Call(ctx, http.MethodPut, spaceMark(prefix), mark, nil)
}

// RemoveOwner removes the mark of a prefix.
func (c *Client) RemoveOwner(ctx context.Context, prefix string) error {
	return ignoreNotFound(c.Call(ctx, http.MethodDelete, spaceMark(prefix), nil, nil))
}

// Indices lists the indices of a prefix, hidden and closed ones too, but for those behind data streams.
func (c *Client) Indices(ctx context.Context, prefix string) ([]string, error) {
	var list []struct{ Index string }
	err := c.Call(ctx, http.MethodGet, "/_cat/indices/"+url.PathEscape(prefix)+"*?format=json&h=index&expand_wildcards=all", nil, &list)
	if err != nil {
		return nil, ignoreNotFound(err)
	}
	names := make([]string, 0, len(list))
	for _, i := range list {
		names = append(names, i.Index)
	}
	return names, nil
}

// Empty deletes what an application keeps under its prefix: data streams, indices, templates, pipelines. Each index is
// named, because wildcards may be forbidden (action.destructive_requires_name).
func (c *Client) Empty(ctx context.Context, prefix string) error {
	pattern := url.PathEscape(prefix) + "*"
	if err := ignoreNotFound(c.Call(ctx, http.MethodDelete, "/_data_stream/"+pattern, nil, nil)); err != nil && !isUnknownPath(err) {
		return err
	}
	names, err := c.Indices(ctx, prefix)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			return fmt.Errorf("the server names index %s for prefix %s", name, prefix)
		}
		if err := ignoreNotFound(c.Call(ctx, http.MethodDelete, "/"+url.PathEscape(name), nil, nil)); err != nil {
			return err
		}
	}
	for _, kind := range []string{"/_index_template/", "/_template/", "/_component_template/", "/_ingest/pipeline/"} {
		if err := ignoreNotFound(c.Call(ctx, http.MethodDelete, kind+pattern, nil, nil)); err != nil {
			return err
		}
	}
	return nil
}
