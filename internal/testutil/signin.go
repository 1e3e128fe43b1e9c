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
	// Provider is the alias of the identity provider where the user has the account; empty: in the realm itself. It must be
	// another realm.
	Provider string
	// Profile is what the user says at the first sign-in through a provider that does not tell: username, email, firstName
	// and lastName.
	Profile url.Values
}

var (
	// loginForm finds where Keycloak's login page sends the password.
	loginForm = regexp.MustCompile(`<form[^>]*id="kc-form-login"[^>]*action="([^"]+)"`)
	// profileForm finds where the answers of a new user go.
	profileForm = regexp.MustCompile(`<form[^>]*id="kc-idp-review-profile-form"[^>]*action="([^"]+)"`)
	// samlForm and hidden find what a browser sends on by itself (SAML 2.0 bindings, 3.5: HTTP POST).
	samlForm = regexp.MustCompile(`(?i)<form name="saml-post-binding"[^>]*action="([^"]+)"`)
	markup   = regexp.MustCompile(`(?s)<(script|style).*?</(script|style)>|<[^>]*>`)
	hidden   = regexp.MustCompile(`(?i)<input type="hidden" name="([^"]+)" value="([^"]*)"`)
)

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
	if s.Provider != "" {
		query.Set("kc_idp_hint", s.Provider)
	}
	_, page, err := s.page(ctx, client, http.MethodGet, s.Issuer+"/protocol/openid-connect/auth?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	action := loginForm.FindStringSubmatch(page)
	if action == nil {
		return "", fmt.Errorf("there is no login page: %.600s", words(page))
	}
	res, page, err := s.page(ctx, client, http.MethodPost, html.UnescapeString(action[1]),
		url.Values{"username": {s.User}, "password": {s.Password}})
	if err != nil {
		return "", err
	}
	if review := profileForm.FindStringSubmatch(page); review != nil && s.Profile != nil {
		if res, page, err = s.page(ctx, client, http.MethodPost, html.UnescapeString(review[1]), s.Profile); err != nil {
			return "", err
		}
	}
	back, err := res.Location()
	if err != nil {
		return "", fmt.Errorf("the login leads nowhere (%s): %.600s", res.Status, words(page))
	}
	code := back.Query().Get("code")
	if code == "" {
		return "", errors.New("the login leads back without a code: " + back.String())
	}
	return code, nil
}

// words are what a person would read on a page.
func words(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(markup.ReplaceAllString(page, " "))), " ")
}

// page sends a request, and the forms that a browser would send by itself then.
func (s SignIn) page(ctx context.Context, client *http.Client, method, to string, form url.Values) (*http.Response, string, error) {
	for {
		res, page, err := s.send(ctx, client, method, to, form)
		next := samlForm.FindStringSubmatch(page)
		if err != nil || next == nil {
			return res, page, err
		}
		method, to, form = http.MethodPost, html.UnescapeString(next[1]), url.Values{}
		for _, field := range hidden.FindAllStringSubmatch(page, -1) {
			form.Set(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
		}
	}
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
