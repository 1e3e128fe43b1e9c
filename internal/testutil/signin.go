package testutil

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// SignIn is who signs in where.
type SignIn struct {
	// Issuer is the realm's URL, ClientID and ClientSecret the application's; the secret is empty for a public client.
	Issuer, ClientID, ClientSecret string
	// RedirectURI is one that the client allows. Nothing has to listen there.
	RedirectURI    string
	User, Password string
}

// loginForm finds where Keycloak's login page sends the password.
var loginForm = regexp.MustCompile(`<form[^>]*id="kc-form-login"[^>]*action="([^"]+)"`)

// AccessToken signs in as a browser does, by the authorization code flow with PKCE (RFC 6749 and 7636), and returns the
// access token.
func (s SignIn) AccessToken(ctx context.Context) (string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), s.RedirectURI) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	verifier := make([]byte, 32)
	if _, err := rand.Read(verifier); err != nil {
		return "", err
	}
	secret := base64.RawURLEncoding.EncodeToString(verifier)
	code, err := s.code(ctx, client, secret)
	if err != nil {
		return "", err
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {s.RedirectURI}, "client_id": {s.ClientID},
		"code_verifier": {secret},
	}
	if s.ClientSecret != "" {
		form.Set("client_secret", s.ClientSecret)
	}
	_, body, err := s.send(ctx, client, http.MethodPost, s.Issuer+"/protocol/openid-connect/token", form)
	if err != nil {
		return "", err
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Token == "" {
		return "", fmt.Errorf("no token: %s", body)
	}
	return answer.Token, nil
}

// code goes through the login page.
func (s SignIn) code(ctx context.Context, client *http.Client, verifier string) (string, error) {
	challenge := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {s.ClientID}, "redirect_uri": {s.RedirectURI}, "scope": {"openid"}, "state": {"x"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	_, page, err := s.send(ctx, client, http.MethodGet, s.Issuer+"/protocol/openid-connect/auth?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	action := loginForm.FindStringSubmatch(page)
	if action == nil {
		return "", fmt.Errorf("there is no login page: %.300s", page)
	}
	res, page, err := s.send(ctx, client, http.MethodPost, html.UnescapeString(action[1]),
		url.Values{"username": {s.User}, "password": {s.Password}})
	if err != nil {
		return "", err
	}
	back, err := res.Location()
	if err != nil {
		return "", fmt.Errorf("the login leads nowhere (%s): %.300s", res.Status, page)
	}
	code := back.Query().Get("code")
	if code == "" {
		return "", errors.New("the login leads back without a code: " + back.String())
	}
	return code, nil
}

func (s SignIn) send(ctx context.Context, client *http.Client, method, to string, form url.Values) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}
