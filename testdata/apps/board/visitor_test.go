package main

import (
	"bytes"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
)

// start runs the application in this process, on what `plattr test` gave it.
func start(t *testing.T) (*app, *httptest.Server) {
	t.Helper()
	s, err := fromEnv(os.Getenv)
	if err != nil {
		t.Skip("run it with `plattr test`: " + err.Error())
	}
	a, err := newApp(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	server := httptest.NewServer(a.handler())
	t.Cleanup(server.Close)
	return a, server
}

// visitor is a browser without a screen.
type visitor struct {
	t      *testing.T
	client *http.Client
	url    string
}

// visit stops where the issuer sends the browser back: the tests' server has another address than APP_URL.
func visit(t *testing.T, a *app, server *httptest.Server) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), a.settings.appURL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}, server.URL}
}

var loginForm = regexp.MustCompile(`<form[^>]*id="kc-form-login"[^>]*action="([^"]+)"`)

// signIn gives the issuer's page the demo user's password, and its answer to the application.
func (v *visitor) signIn() {
	v.t.Helper()
	_, page := v.get("/auth/sign-in")
	form := loginForm.FindStringSubmatch(page)
	if form == nil {
		v.t.Fatalf("there is no login page:\n%s", page)
	}
	res, _ := v.do(v.client.PostForm(html.UnescapeString(form[1]),
		url.Values{"username": {os.Getenv("AUTH_DEMO_USER")}, "password": {os.Getenv("AUTH_DEMO_PASSWORD")}}))
	back, err := res.Location()
	if err != nil {
		v.t.Fatalf("the login leads nowhere: %s", res.Status)
	}
	if code, page := v.get(back.RequestURI()); code != http.StatusOK || !strings.Contains(page, "Sign out") {
		v.t.Fatalf("after the sign-in: %d\n%s", code, page)
	}
}

func (v *visitor) get(path string) (int, string) {
	v.t.Helper()
	res, page := v.do(v.client.Get(v.url + path))
	return res.StatusCode, page
}

// post sends the form of a note, with a file unless it has no name.
func (v *visitor) post(title, name string, data []byte) (int, string) {
	v.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("title", title)
	_ = form.WriteField("body", "Text of "+title)
	if name != "" {
		part, err := form.CreateFormFile("file", name)
		if err != nil {
			v.t.Fatal(err)
		}
		_, _ = part.Write(data)
	}
	_ = form.Close()
	res, page := v.do(v.client.Post(v.url+"/notes", form.FormDataContentType(), &body))
	return res.StatusCode, page
}

func (v *visitor) do(res *http.Response, err error) (*http.Response, string) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res, string(body)
}
