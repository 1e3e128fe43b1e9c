package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"log"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// app is the board: its pages, and the services behind them.
type app struct {
	settings settings
	client   *http.Client // for everything but S3 and Redis
	policy   string       // the pages' Content-Security-Policy
	auth     *auth
	store    *store
	notes    *notes
	index    *index
	files    *files
}

func newApp(ctx context.Context, s settings) (*app, error) {
	issuer, err := url.Parse(s.issuer)
	if err != nil {
		return nil, err
	}
	a := &app{settings: s, client: &http.Client{Timeout: 15 * time.Second}}
	// Signing out is a form that leads to the issuer.
	a.policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' " +
		issuer.Scheme + "://" + issuer.Host
	if a.auth, err = newAuth(ctx, a.client, s); err != nil {
		return nil, err
	}
	if a.files, err = newFiles(ctx, s.bucket); err != nil {
		return nil, err
	}
	if a.store, err = newStore(s.redis); err != nil {
		return nil, err
	}
	a.notes = &notes{client: a.client, url: s.rest + "/note"}
	a.index = newIndex(a.client, s)
	if err := a.index.ensure(ctx); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *app) close() { _ = a.store.client.Close() }

//go:embed pages
var embedded embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{"image": isImage}).ParseFS(embedded, "pages/*.html"))

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.page(a.start))
	mux.HandleFunc("POST /notes", a.page(a.signedIn(a.post)))
	mux.HandleFunc("POST /notes/{id}/delete", a.page(a.signedIn(a.remove)))
	mux.HandleFunc("GET /notes/{id}/file", a.page(a.signedIn(a.file)))
	mux.HandleFunc("GET /auth/sign-in", a.page(a.beginSignIn))
	mux.HandleFunc("GET "+callbackPath, a.page(a.endSignIn))
	mux.HandleFunc("POST /auth/sign-out", a.page(a.signOut))
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, embedded, "pages/style.css")
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.store.client.Ping(r.Context()).Err(); err != nil {
			http.Error(w, "Redis does not answer", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/", a.page(func(http.ResponseWriter, *http.Request) error {
		return &problem{http.StatusNotFound, "There is nothing here."}
	}))
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(a.page(func(http.ResponseWriter, *http.Request) error {
		return &problem{http.StatusForbidden, "This form was sent by another site."}
	}))
	return a.headers(foreign.Handler(mux))
}

// headers keep browsers from doing more with an answer than is meant.
func (a *app) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", a.policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		// What a person saw is not to be found with the back button when they have signed out.
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// problem is an error that a visitor can do something about.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

// page turns the error of a page into one that can be read. Whoever is not signed in any more is sent to the start.
func (a *app) page(do func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := do(w, r)
		var p *problem
		switch {
		case err == nil:
			return
		case errors.Is(err, errSignedOut):
			a.setCookie(w, sessionCookie, "", -1)
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		case !errors.As(err, &p):
			log.Printf("%s %s: %v", r.Method, r.URL.Path, err)
			p = &problem{http.StatusInternalServerError, "That did not work. The log says why."}
		}
		if err := a.show(w, p.status, "problem", map[string]any{"Title": http.StatusText(p.status), "Text": p.text}); err != nil {
			log.Print(err)
		}
	}
}

// show writes a page when all of it is there.
func (a *app) show(w http.ResponseWriter, status int, name string, data map[string]any) error {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, data); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // a browser that went away
	return nil
}

// start is the board of whoever is signed in, and an invitation to others.
func (a *app) start(w http.ResponseWriter, r *http.Request) error {
	s, err := a.session(r)
	if errors.Is(err, errSignedOut) {
		return a.show(w, http.StatusOK, "welcome", nil)
	}
	if err != nil {
		return err
	}
	query := strings.TrimSpace(r.URL.Query().Get("q"))
	list, err := a.list(r.Context(), s, query)
	if err != nil {
		return err
	}
	visits, posts, err := a.store.visit(r.Context())
	if err != nil {
		return err
	}
	return a.show(w, http.StatusOK, "board", map[string]any{
		"Name": s.Name, "Query": query, "Notes": list, "Visits": visits, "Posts": posts,
	})
}

// list returns a person's notes, the newest first, or those that a search finds, the best first.
func (a *app) list(ctx context.Context, s *session, query string) ([]note, error) {
	if query == "" {
		return a.notes.all(ctx, s.Token.AccessToken)
	}
	ids, err := a.index.find(ctx, s.Subject, query)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return a.notes.some(ctx, s.Token.AccessToken, ids)
}
