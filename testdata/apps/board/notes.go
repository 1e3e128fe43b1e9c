package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

type note struct {
	ID        string    `json:"id"`
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	FileName  string    `json:"file_name"`
	FileType  string    `json:"file_type"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// notes is the table behind the REST API. Every request carries the person's own token: what they may see and change, the
// database decides.
type notes struct {
	client *http.Client
	url    string
}

const columns = "select=id,title,body,file_name,file_type,created_at"

func (n *notes) all(ctx context.Context, token string) ([]note, error) {
	return n.get(ctx, token, "order=created_at.desc&limit=50")
}

// some returns the notes with these IDs, in their order. A note that is gone, or somebody else's, is left out.
func (n *notes) some(ctx context.Context, token string, ids []string) ([]note, error) {
	list, err := n.get(ctx, token, "id=in.("+url.QueryEscape(strings.Join(ids, ","))+")")
	slices.SortFunc(list, func(a, b note) int { return cmp.Compare(slices.Index(ids, a.ID), slices.Index(ids, b.ID)) })
	return list, err
}

func (n *notes) get(ctx context.Context, token, query string) (list []note, err error) {
	err = n.send(ctx, call{method: http.MethodGet, url: n.url + "?" + columns + "&" + query, token: token, out: &list})
	return list, err
}

// one returns a note of the person's own.
func (n *notes) one(ctx context.Context, token, id string) (note, error) {
	list, err := n.get(ctx, token, "id=eq."+url.QueryEscape(id))
	return only(list, err)
}

func (n *notes) add(ctx context.Context, token string, v note) error {
	return n.send(ctx, call{method: http.MethodPost, url: n.url, token: token, in: v})
}

func (n *notes) remove(ctx context.Context, token, id string) (note, error) {
	var list []note
	err := n.send(ctx, call{
		method: http.MethodDelete, url: n.url + "?id=eq." + url.QueryEscape(id), token: token, prefer: "return=representation", out: &list,
	})
	return only(list, err)
}

func only(list []note, err error) (note, error) {
	if err == nil && len(list) == 0 {
		err = &problem{http.StatusNotFound, "You have no such note."}
	}
	if err != nil {
		return note{}, err
	}
	return list[0], nil
}

func (n *notes) send(ctx context.Context, c call) error {
	err := c.send(ctx, n.client)
	var answer *answerError
	switch {
	case errors.As(err, &answer) && answer.code == "23514": // a check of the table
		return &problem{http.StatusBadRequest, "A title of 1 to 120 and a text of 1 to 4000 characters, please."}
	case err != nil:
		return fmt.Errorf("notes: %w", err)
	}
	return nil
}

// post keeps the file, then the row, then the search document: what a failure leaves behind, nobody sees.
func (a *app) post(w http.ResponseWriter, r *http.Request, s *session) error {
	up, err := readUpload(w, r)
	if err != nil {
		return err
	}
	n := note{
		ID: rand.Text(), Title: strings.TrimSpace(r.FormValue("title")), Body: strings.TrimSpace(r.FormValue("body")),
		FileName: up.name, FileType: up.kind,
	}
	if err := a.files.put(r.Context(), s.Subject, n.ID, up); err != nil {
		return err
	}
	if err := a.notes.add(r.Context(), s.Token.AccessToken, n); err != nil {
		if err := a.files.remove(r.Context(), s.Subject, n); err != nil {
			log.Print(err)
		}
		return err
	}
	if err := a.index.put(r.Context(), s.Subject, n); err != nil {
		log.Print(err)
		return &problem{http.StatusInternalServerError, "The note is kept, but search does not know it."}
	}
	if err := a.store.posted(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// remove deletes the row first: it says whose note it is.
func (a *app) remove(w http.ResponseWriter, r *http.Request, s *session) error {
	n, err := a.notes.remove(r.Context(), s.Token.AccessToken, r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := errors.Join(a.index.remove(r.Context(), n.ID), a.files.remove(r.Context(), s.Subject, n)); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}
