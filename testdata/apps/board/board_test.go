package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	fileLink = regexp.MustCompile(`<img src="(/notes/[A-Z2-7]+)/file"`)
	posts    = regexp.MustCompile(`id="posts">([0-9]+)<`)
)

// TestNotes goes the way of a person: sign in, post, find, download, delete, sign out.
func TestNotes(t *testing.T) {
	a, server := start(t)
	demo := visit(t, a, server)
	demo.signIn()
	_, before := demo.get("/")
	picture := []byte("\x89PNG\r\n\x1a\n and so on")
	if code, page := demo.post("Kettle & co", "kettle.png", picture); code != http.StatusOK || !strings.Contains(page, "Kettle &amp; co") {
		t.Fatalf("posted: %d\n%s", code, page)
	}
	code, after := demo.post("Bicycle", "", nil)
	if code != http.StatusOK || !strings.Contains(after, "Bicycle") || counted(t, after) != counted(t, before)+2 {
		t.Fatalf("posted: %d\n%s", code, after)
	}
	_, page := demo.get("/?q=kettle")
	link := fileLink.FindStringSubmatch(page)
	if link == nil || strings.Contains(page, "Bicycle") {
		t.Fatalf("search for kettle finds\n%s", page)
	}
	res, got := demo.do(demo.client.Get(server.URL + link[1] + "/file"))
	if h := res.Header; got != string(picture) || h.Get("Content-Type") != "image/png" || h.Get("Content-Disposition") != `attachment; filename=kettle.png` {
		t.Errorf("the attachment is %q, %v", got, h)
	}
	stranger := visit(t, a, server)
	if _, got := stranger.get(link[1] + "/file"); strings.Contains(got, "PNG") || !strings.Contains(got, "sign-in") {
		t.Errorf("without a session the attachment is %q", got)
	}
	if res, page := demo.do(demo.client.PostForm(server.URL+link[1]+"/delete", nil)); res.StatusCode != http.StatusOK || strings.Contains(page, "Kettle") {
		t.Errorf("deleted: %s\n%s", res.Status, page)
	}
	if code, _ := demo.get(link[1] + "/file"); code != http.StatusNotFound {
		t.Errorf("the attachment of a deleted note: %d", code)
	}
	if _, page := demo.get("/?q=kettle"); !strings.Contains(page, "No note of yours") {
		t.Errorf("search for a deleted note finds\n%s", page)
	}
}

func counted(t *testing.T, page string) int {
	t.Helper()
	n := posts.FindStringSubmatch(page)
	if n == nil {
		t.Fatalf("the page has no counter:\n%s", page)
	}
	count, _ := strconv.Atoi(n[1])
	return count
}

// TestRefused: what a form holds that is not right is said in words.
func TestRefused(t *testing.T) {
	a, server := start(t)
	demo := visit(t, a, server)
	demo.signIn()
	for name, tc := range map[string]struct {
		title, file, data string
		code              int
	}{
		"NoTitle": {"", "", "", http.StatusBadRequest},
		"Page":    {"x", "a.txt", "<html><script>alert(1)</script>", http.StatusUnsupportedMediaType},
		"Large":   {"x", "a.txt", strings.Repeat("a", maxFile+1), http.StatusUnsupportedMediaType},
		"Huge":    {"x", "a.txt", strings.Repeat("a", 2*maxFile), http.StatusRequestEntityTooLarge},
	} {
		if code, page := demo.post(tc.title, tc.file, []byte(tc.data)); code != tc.code || !strings.Contains(page, `id="problem"`) {
			t.Errorf("%s: %d, want %d\n%s", name, code, tc.code, page)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/auth/sign-out", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if res, _ := demo.do(demo.client.Do(req)); res.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form: %s", res.Status)
	}
	if code, _ := demo.get("/auth/callback?state=x&code=y"); code != http.StatusBadRequest {
		t.Errorf("an answer to a sign-in that did not begin here: %d", code)
	}
}

// TestOthers puts in somebody else's note, as the tables' owner may, and looks for it every way there is.
func TestOthers(t *testing.T) {
	a, server := start(t)
	demo := visit(t, a, server)
	demo.signIn()
	db, err := pgx.Connect(t.Context(), os.Getenv("DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = db.Exec(context.Background(), "DELETE FROM note WHERE owner = 'somebody'")
		_ = db.Close(context.Background())
	})
	other := note{ID: rand.Text(), Title: "Somebody's secret", Body: "x", FileName: "a.txt"}
	_, err = db.Exec(t.Context(), "INSERT INTO note (id, owner, title, body, file_name) VALUES ($1, 'somebody', $2, 'x', 'a.txt')", other.ID, other.Title)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.index.put(t.Context(), "somebody", other); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/?q=secret", "/notes/" + other.ID + "/file"} {
		if _, page := demo.get(path); strings.Contains(page, "Somebody") {
			t.Errorf("%s shows the note:\n%s", path, page)
		}
	}
	if res, _ := demo.do(demo.client.PostForm(server.URL+"/notes/"+other.ID+"/delete", nil)); res.StatusCode != http.StatusNotFound {
		t.Errorf("deleting it: %s", res.Status)
	}
	s := sessionOf(t, a, demo)
	list, err := a.notes.some(t.Context(), s.Token.AccessToken, []string{other.ID}) // as if search had told its ID
	if err != nil || len(list) != 0 {
		t.Errorf("REST with a token returns %v, %v", list, err)
	}
	err = call{method: http.MethodPost, url: a.notes.url, token: s.Token.AccessToken, in: map[string]any{
		"id": rand.Text(), "owner": "somebody", "title": "x", "body": "x",
	}}.send(t.Context(), a.client)
	if err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("a note in another's name: %v", err)
	}
	if err := (call{method: http.MethodGet, url: a.notes.url, out: &list}).send(t.Context(), a.client); err == nil {
		t.Errorf("REST without a token returns %v", list)
	}
}

// TestSession: an expired access token is renewed, and what was signed out stays out.
func TestSession(t *testing.T) {
	a, server := start(t)
	demo := visit(t, a, server)
	demo.signIn()
	s := sessionOf(t, a, demo)
	old := s.Token.AccessToken
	s.Token.Expiry = time.Now()
	if err := a.store.update(t.Context(), demo.cookie(), s); err != nil {
		t.Fatal(err)
	}
	if _, page := demo.get("/"); !strings.Contains(page, "Sign out") || sessionOf(t, a, demo).Token.AccessToken == old {
		t.Errorf("an expired token was not renewed:\n%s", page)
	}
	was := demo.cookie()
	res, _ := demo.do(demo.client.PostForm(server.URL+"/auth/sign-out", nil))
	if to := res.Header.Get("Location"); to != a.settings.appURL+"/" {
		t.Errorf("signing out leads to %q (%s)", to, res.Status)
	}
	if err := a.store.update(t.Context(), was, s); !errors.Is(err, errSignedOut) {
		t.Errorf("a session that was ended is kept: %v", err)
	}
	if _, page := demo.get("/"); strings.Contains(page, "Sign out") {
		t.Errorf("signed out, the page is\n%s", page)
	}
	// The issuer asks again: it ended its session too.
	if _, page := demo.get("/auth/sign-in"); !loginForm.MatchString(page) {
		t.Errorf("the issuer does not ask for the password:\n%s", page)
	}
}

func (v *visitor) cookie() string {
	v.t.Helper()
	to, err := url.Parse(v.url)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range v.client.Jar.Cookies(to) {
		if c.Name == sessionCookie {
			return c.Value
		}
	}
	v.t.Fatal("there is no session")
	return ""
}

func sessionOf(t *testing.T, a *app, v *visitor) *session {
	t.Helper()
	s, err := a.store.session(t.Context(), v.cookie())
	if err != nil {
		t.Fatal(err)
	}
	return s
}
