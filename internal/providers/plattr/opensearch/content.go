package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// Content is what is kept under a prefix.
type Content struct {
	Indices int
	// Documents are those that can be found now, Bytes what the primary shards and their replicas take.
	Documents, Bytes int64
}

// Health is the cluster's: green, yellow (copies of data are missing, as on a server that is alone) or red (data are missing).
func (c *Client) Health(ctx context.Context) (string, error) {
	var answer struct{ Status string }
	err := c.Call(ctx, http.MethodGet, "/_cluster/health", nil, &answer)
	return answer.Status, err
}

// Content counts what is kept under a prefix. Closed indices count as indices; what is in them is not known.
func (c *Client) Content(ctx context.Context, prefix string) (Content, error) {
	var list []struct {
		Documents string `json:"docs.count"`
		Bytes     string `json:"store.size"`
	}
	err := c.Call(ctx, http.MethodGet,
		"/_cat/indices/"+url.PathEscape(prefix)+"*?format=json&bytes=b&h=docs.count,store.size&expand_wildcards=all", nil, &list)
	if err != nil {
		return Content{}, ignoreNotFound(err)
	}
	found := Content{Indices: len(list)}
	for _, index := range list {
		for _, n := range []struct {
			text string
			sum  *int64
		}{{index.Documents, &found.Documents}, {index.Bytes, &found.Bytes}} {
			if n.text == "" {
				continue // it is closed
			}
			value, err := strconv.ParseInt(n.text, 10, 64)
			if err != nil {
				return Content{}, fmt.Errorf("read OpenSearch's answer: %q is no number", n.text)
			}
			*n.sum += value
		}
	}
	return found, nil
}

// IsRefused tells the answer to a login that is not known, or that may not ask this.
func IsRefused(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}
