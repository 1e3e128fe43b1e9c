package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	callbackPath  = "/auth/callback"
	sessionCookie = "board_session"
	loginCookie   = "board_login"
)

// auth is the application's client at the issuer.
type auth struct {
	oauth2     oauth2.Config
	verifier   *oidc.IDTokenVerifier
	endSession string
}

func newAuth(ctx context.Context, client *http.Client, s settings) (*auth, error) {
	// Tokens name the public address; what the issuer says of itself is read from where this server reaches it. (The
	// function is called insecure because it lets the two differ; the issuer of tokens is checked all the same.)
	ctx = oidc.InsecureIssuerURLContext(oidc.ClientContext(ctx, client), s.issuer)
	provider, err := oidc.NewProvider(ctx, s.internal)
	if err != nil {
		return nil, fmt.Errorf("ask the issuer: %w", err)
	}
	var more struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, fmt.Errorf("ask the issuer: %w", err)
	}
	return &auth{
		oauth2: oauth2.Config{
			ClientID: s.clientID, ClientSecret: s.clientSecret, Endpoint: provider.Endpoint(),
			RedirectURL: s.appURL + callbackPath, Scopes: []string{oidc.ScopeOpenID, "profile"},
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: s.clientID}), endSession: more.EndSession,
	}, nil
}

// login is a sign-in that has begun.
type login struct{ State, Nonce, Verifier string }

// beginSignIn sends the browser to the issuer. The cookie ties the answer to this browser.
func (a *app) beginSignIn(w http.ResponseWriter, r *http.Request) error {
	l := login{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	if err := a.store.begin(r.Context(), l); err != nil {
		return err
	}
	a.setCookie(w, loginCookie, l.State, int(loginExpires.Seconds()))
	to := a.auth.oauth2.AuthCodeURL(l.State, oidc.Nonce(l.Nonce), oauth2.S256ChallengeOption(l.Verifier))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// endSignIn takes what the issuer sent the browser back with.
func (a *app) endSignIn(w http.ResponseWriter, r *http.Request) error {
	cookie, err := r.Cookie(loginCookie)
	if err != nil || cookie.Value == "" || cookie.Value != r.FormValue("state") {
		return &problem{http.StatusBadRequest, "This sign-in did not begin here. Please try again."}
	}
	a.setCookie(w, loginCookie, "", -1)
	l, err := a.store.login(r.Context(), cookie.Value)
	if err != nil {
		return err
	}
	if r.FormValue("error") != "" {
		return &problem{http.StatusForbidden, "The sign-in was not completed."}
	}
	s, err := a.exchange(r.Context(), r.FormValue("code"), l)
	if err != nil {
		return err
	}
	id, err := a.store.add(r.Context(), s)
	if err != nil {
		return err
	}
	a.setCookie(w, sessionCookie, id, 0)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (a *app) exchange(ctx context.Context, code string, l login) (*session, error) {
	ctx = oidc.ClientContext(ctx, a.client)
	token, err := a.auth.oauth2.Exchange(ctx, code, oauth2.VerifierOption(l.Verifier))
	if err != nil {
		return nil, fmt.Errorf("exchange the code: %w", err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := a.auth.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("check the ID token: %w", err)
	}
	if id.Nonce != l.Nonce {
		return nil, errors.New("check the ID token: it is not for this sign-in")
	}
	var who struct {
		Name     string `json:"name"`
		Username string `json:"preferred_username"`
	}
	if err := id.Claims(&who); err != nil {
		return nil, fmt.Errorf("read the ID token: %w", err)
	}
	if who.Name == "" {
		who.Name = who.Username
	}
	return &session{Subject: id.Subject, Name: who.Name, Token: token, IDToken: raw}, nil
}

// session returns the session of a request, with an access token that is good for a while.
func (a *app) session(r *http.Request) (*session, error) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil, errSignedOut
	}
	s, err := a.store.session(r.Context(), cookie.Value)
	if err != nil || time.Until(s.Token.Expiry) > 10*time.Second {
		return s, err
	}
	ctx := oidc.ClientContext(r.Context(), a.client)
	token, err := a.auth.oauth2.TokenSource(ctx, &oauth2.Token{RefreshToken: s.Token.RefreshToken}).Token()
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant": // the issuer ended its session
		_, _ = a.store.end(r.Context(), cookie.Value)
		return nil, errSignedOut
	case err != nil:
		return nil, fmt.Errorf("refresh the access token: %w", err)
	}
	s.Token = token
	if raw, ok := token.Extra("id_token").(string); ok {
		s.IDToken = raw
	}
	return s, a.store.update(r.Context(), cookie.Value, s)
}

// signedIn is a page for people who are signed in.
func (a *app) signedIn(page func(http.ResponseWriter, *http.Request, *session) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		s, err := a.session(r)
		if err != nil {
			return err
		}
		return page(w, r, s)
	}
}

// signOut ends the session here and sends the browser to the issuer, which ends its own and sends it back.
func (a *app) signOut(w http.ResponseWriter, r *http.Request) error {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return errSignedOut
	}
	s, err := a.store.end(r.Context(), cookie.Value)
	if err != nil {
		return err
	}
	a.setCookie(w, sessionCookie, "", -1)
	query := url.Values{
		"id_token_hint": {s.IDToken}, "post_logout_redirect_uri": {a.settings.appURL + "/"}, "client_id": {a.settings.clientID},
	}
	http.Redirect(w, r, a.auth.endSession+"?"+query.Encode(), http.StatusSeeOther)
	return nil
}

// setCookie sets a cookie that scripts and requests of other sites do not get; a negative age deletes it.
func (a *app) setCookie(w http.ResponseWriter, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(a.settings.appURL, "https:"),
	})
}
