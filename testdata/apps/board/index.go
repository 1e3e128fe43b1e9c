package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// index is the search index of all notes. It finds IDs; the notes themselves come from the database, under its policies.
type index struct {
	client *http.Client
	url    string
	call   call // what every request has
}

func newIndex(client *http.Client, s settings) *index {
	return &index{client, s.search + "/" + url.PathEscape(s.prefix+"notes"), call{user: s.searchUser, pass: s.searchSecret}}
}

type object = map[string]any

// ensure makes the index where it is missing.
func (x *index) ensure(ctx context.Context) error {
	mapping := object{"mappings": object{"dynamic": "strict", "properties": object{
		"owner": object{"type": "keyword"}, "title": object{"type": "text"}, "body": object{"type": "text"},
	}}}
	err := x.send(ctx, http.MethodPut, "", mapping, nil)
	var answer *answerError
	if errors.As(err, &answer) && strings.Contains(answer.text, "resource_already_exists_exception") {
		return nil
	}
	return err
}

// put keeps a note so that the next search finds it. (An index with more writes than this one is left to refresh by itself.)
func (x *index) put(ctx context.Context, owner string, n note) error {
	return x.send(ctx, http.MethodPut, "/_doc/"+n.ID+"?refresh=true", object{"owner": owner, "title": n.Title, "body": n.Body}, nil)
}

func (x *index) remove(ctx context.Context, id string) error {
	err := x.send(ctx, http.MethodDelete, "/_doc/"+id+"?refresh=true", nil, nil)
	var answer *answerError
	if errors.As(err, &answer) && answer.status == http.StatusNotFound {
		return nil
	}
	return err
}

// find returns the IDs of a person's notes that have a word of the query, or one that begins like its last word.
func (x *index) find(ctx context.Context, owner, query string) (ids []string, err error) {
	var answer struct {
		Hits struct {
			Hits []struct {
				ID string `json:"_id"`
			}
		}
	}
	err = x.send(ctx, http.MethodPost, "/_search", object{"size": 50, "_source": false, "query": object{"bool": object{
		"filter": object{"term": object{"owner": owner}},
		"must":   object{"multi_match": object{"query": query, "type": "bool_prefix", "fields": []string{"title^2", "body"}}},
	}}}, &answer)
	for _, hit := range answer.Hits.Hits {
		ids = append(ids, hit.ID)
	}
	return ids, err
}

func (x *index) send(ctx context.Context, method, path string, in, out any) error {
	c := x.call
	c.method, c.url, c.in, c.out = method, x.url+path, in, out
	if err := c.send(ctx, x.client); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	return nil
}
