package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// session is the access token that all requests share.
type session struct {
	// turn holds one value, which the holder of the session has taken out: unlike a mutex, waiting for it ends with a
	// context.
	turn    chan struct{}
	token   string
	renewAt time.Time
	// refused is the answer of a server that does not know the administrator. It is not asked again: nothing changes
	// within a run, and Keycloak locks out who tries too often.
	refused *LoginError
}

func newSession() *session {
	s := &session{turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

func (s *session) take(ctx context.Context) (give func(), err error) {
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the login to Keycloak: %w", ctx.Err())
	case <-s.turn:
		return func() { s.turn <- struct{}{} }, nil
	}
}

// token returns a token that lasts a while, and logs in for one if need be. A token that was refused is not returned
// again.
func (c *Client) token(ctx context.Context, refused string) (string, error) {
	give, err := c.session.take(ctx)
	if err != nil {
		return "", err
	}
	defer give()
	s := c.session
	switch {
	case s.refused != nil:
		return "", s.refused
	case s.token != "" && s.token != refused && time.Now().Before(s.renewAt):
		return s.token, nil
	}
	asked := time.Now()
	token, life, err := c.logIn(ctx)
	if err != nil {
		return "", err
	}
	s.token, s.renewAt = token, asked.Add(life*3/4)
	return token, nil
}

// logIn is POST /realms/{realm}/protocol/openid-connect/token. Unlike other POSTs it changes nothing, so it is repeated
// like a GET.
func (c *Client) logIn(ctx context.Context) (token string, life time.Duration, err error) {
	form := url.Values{"client_id": {c.config.ClientID}}
	if c.config.ClientSecret != "" {
		form.Set("grant_type", "client_credentials")
		form.Set("client_secret", c.config.ClientSecret)
	} else {
		form.Set("grant_type", "password")
		form.Set("username", c.config.Username)
		form.Set("password", c.config.Password)
	}
	address := c.base + "/realms/" + url.PathEscape(c.config.Realm) + "/protocol/openid-connect/token"
	doing := "log in to Keycloak as " + c.administrator()
	reply, err := c.send(ctx, request{
		doing: doing, method: http.MethodPost, address: address, repeatable: true,
		contentType: "application/x-www-form-urlencoded", body: []byte(form.Encode()),
	})
	if err != nil {
		return "", 0, err
	}
	if reply.status != http.StatusOK {
		return "", 0, c.loginFailed(doing, reply)
	}
	var answer struct {
		Token string  `json:"access_token"`
		Life  float64 `json:"expires_in"`
	}
	if err := json.Unmarshal(reply.body, &answer); err != nil || answer.Token == "" {
		return "", 0, fmt.Errorf("%s: %s answered with no token: is it Keycloak?", doing, c.host)
	}
	return answer.Token, time.Duration(answer.Life * float64(time.Second)), nil
}

// loginFailed tells a refusal of the administrator from other answers.
func (c *Client) loginFailed(doing string, reply reply) error {
	var answer struct {
		Code string `json:"error"`
	}
	if json.Unmarshal(reply.body, &answer) == nil {
		switch answer.Code {
		case "invalid_client", "unauthorized_client", "invalid_grant", "access_denied":
			c.session.refused = &LoginError{
				Name: c.administrator(), Realm: c.config.Realm, Host: c.host, Reason: message(reply.body),
			}
			return c.session.refused
		}
	}
	return &Error{Doing: doing, Host: c.host, Status: reply.status, Message: message(reply.body)}
}

func (c *Client) administrator() string {
	if c.config.ClientSecret != "" {
		return c.config.ClientID
	}
	return c.config.Username
}
