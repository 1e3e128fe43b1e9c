package testutil

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// Console is a person who works with Keycloak's admin API by hand: the eyes of tests, and the hands that change things.
type Console struct {
	t                          testing.TB
	url, user, password, token string
}

// NewConsole logs in as a user of realm master.
func NewConsole(t testing.TB, url, user, password string) *Console {
	t.Helper()
	p := &Console{t: t, url: url, user: user, password: password}
	p.logInAgain()
	return p
}

// logInAgain waits for a server whose database was killed.
func (p *Console) logInAgain() {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		status, answer := p.Form("master", url.Values{
			"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {p.user}, "password": {p.password},
		})
		if p.token, _ = answer["access_token"].(string); status != http.StatusInternalServerError {
			return
		}
	}
}

// Form posts to a realm's token endpoint.
func (p *Console) Form(realm string, form url.Values) (int, map[string]any) {
	p.t.Helper()
	return p.do(http.MethodPost, p.url+"/realms/"+url.PathEscape(realm)+"/protocol/openid-connect/token",
		"application/x-www-form-urlencoded", []byte(form.Encode()))
}

// LogIn says whether a user gets a token by a public client with direct access.
func (p *Console) LogIn(realm, client, user, password string) bool {
	p.t.Helper()
	status, _ := p.Form(realm, url.Values{
		"grant_type": {"password"}, "client_id": {client}, "username": {user}, "password": {password},
	})
	return status == http.StatusOK
}

// Send calls the admin API below /admin/realms and returns the status and the answer; a list is under "list".
func (p *Console) Send(method, path string, body any) (int, map[string]any) {
	p.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	if body == nil {
		raw = nil
	}
	status, out := p.do(method, p.url+"/admin/realms/"+path, "application/json", raw)
	if status == http.StatusUnauthorized { // a token lasts a minute, a test on a busy machine may last longer
		p.logInAgain()
		return p.do(method, p.url+"/admin/realms/"+path, "application/json", raw)
	}
	return status, out
}

func (p *Console) do(method, address, contentType string, body []byte) (int, map[string]any) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(p.t.Context()), method, address, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Logf("%s %s: %v", method, address, err) // a server that was killed for good, at the end of a test
		return 0, nil
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	var answer any
	_ = json.Unmarshal(raw, &answer)
	if list, ok := answer.([]any); ok {
		return res.StatusCode, map[string]any{"list": list}
	}
	out, _ := answer.(map[string]any)
	return res.StatusCode, out
}

// Get is what is there now.
func (p *Console) Get(path string) map[string]any {
	p.t.Helper()
	status, out := p.Send(http.MethodGet, path, nil)
	if status != http.StatusOK {
		p.t.Fatalf("GET %s: %d %v", path, status, out)
	}
	return out
}

// Edit changes what is at a path, as the console does.
func (p *Console) Edit(path string, change func(o map[string]any)) {
	p.t.Helper()
	o := p.Get(path)
	change(o)
	p.Must(http.MethodPut, path, o)
}

// Must is Send for what has to succeed.
func (p *Console) Must(method, path string, body any) map[string]any {
	p.t.Helper()
	status, out := p.Send(method, path, body)
	if status >= http.StatusMultipleChoices {
		p.t.Fatalf("%s %s: %d %v", method, path, status, out)
	}
	return out
}

// Count is the number of things in a list that have a value under a key.
func (p *Console) Count(path, key, value string) int {
	p.t.Helper()
	n := 0
	for _, e := range p.Get(path)["list"].([]any) {
		if e.(map[string]any)[key] == value {
			n++
		}
	}
	return n
}
