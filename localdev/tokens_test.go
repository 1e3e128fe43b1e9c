package localdev

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plattr.dev/plattr/internal/testutil"
)

// noteTable is a table whose rows belong to who made them; visitors see those of nobody.
const noteTable = `
	create table note (text text not null, owner text default current_setting('request.jwt.claims', true)::json->>'sub');
	alter table note enable row level security;
	create policy own on note using (owner is not distinct from current_setting('request.jwt.claims', true)::json->>'sub');
	insert into note values ('public', null), ('secret', 'somebody')`

// checkTokens holds which tokens reach the database, and as whom.
func checkTokens(t *testing.T, n *Native, mine, other UpResult) {
	c := console(t, n, mine.Endpoints)
	token := mustSignIn(t, demo(mine))
	api := restAPI{t, mine.RestURL}
	api.eventually("[]", token)
	if status, body := api.call(http.MethodPost, token, `{"text": "mine"}`); status != http.StatusCreated {
		t.Fatalf("post: %d %s", status, body)
	}
	api.want(http.StatusOK, `[{"text":"mine"}]`, token)
	api.want(http.StatusOK, `[{"text":"public"}]`, "")
	if status, _ := api.call(http.MethodPost, "", `{"text": "x"}`); status != http.StatusUnauthorized {
		t.Errorf("a visitor writes: %d, though anonAccess is read", status)
	}

	refused := map[string]string{
		"ByteChanged":   changeByte(token),
		"AlgNone":       join(map[string]any{"alg": "none", "typ": "JWT"}, claimsOf(t, token)) + ".",
		"PublicKeyHMAC": hmacToken(t, mine, token),
		"OtherRealm":    mustSignIn(t, demo(other)),
		"OtherClient":   intruder(t, c, mine),
		"NoToken":       "x",
	}
	stranger := newSigner(t)
	stranger.kid = headerOf(t, token)["kid"].(string)
	refused["ForeignKey"] = stranger.sign(claimsOf(t, token))
	for name, bad := range refused {
		if status, body := api.call(http.MethodGet, bad, ""); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s, want 401", name, status, body)
		}
	}
	t.Run("Rotation", func(t *testing.T) { checkRotation(t, c, restAPI{t, mine.RestURL}, mine, token) })
}

// checkRotation gives the realm a new key: tokens of both keys are accepted, and no request of the old one fails. With the
// key in hand, claims are tried that Keycloak would never sign.
func checkRotation(t *testing.T, c *testutil.Console, api restAPI, mine UpResult, old string) {
	key := newSigner(t)
	realm := c.Get("shop-local")
	c.Must(http.MethodPost, "shop-local/components", map[string]any{
		"name": "next", "providerId": "rsa", "providerType": "org.keycloak.keys.KeyProvider", "parentId": realm["id"],
		"config": map[string]any{"priority": []string{"200"}, "active": []string{"true"}, "enabled": []string{"true"}, "privateKey": []string{key.pem}},
	})
	var failed, asked atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if status, _ := api.call(http.MethodGet, old, ""); status != http.StatusOK {
				failed.Add(1)
			}
			asked.Add(1)
		}
	}()
	begun := time.Now()
	fresh := mustSignIn(t, demo(mine))
	key.kid = headerOf(t, fresh)["kid"].(string)
	if key.kid == headerOf(t, old)["kid"] {
		t.Fatal("the realm signs with the old key")
	}
	api.eventually(`[{"text":"mine"}]`, fresh)
	t.Logf("a new key is known after %s", time.Since(begun).Round(time.Millisecond))
	close(stop)
	<-stopped
	if failed.Load() > 0 || asked.Load() == 0 {
		t.Errorf("%d of %d requests with the old key failed", failed.Load(), asked.Load())
	}

	good := claimsOf(t, fresh)
	api.want(http.StatusOK, `[{"text":"mine"}]`, key.sign(good))
	for name, change := range map[string]map[string]any{
		"Expired":       {"exp": time.Now().Add(-2 * time.Minute).Unix()},
		"NotYet":        {"nbf": time.Now().Add(time.Hour).Unix()},
		"OtherAudience": {"aud": "intruder"},
		"OtherRole":     {"role": "other_user"},
		"AppRole":       {"role": "shop_app"},
		"Superuser":     {"role": "postgres"},
	} {
		bad := maps.Clone(good)
		maps.Copy(bad, change)
		if status, body := api.call(http.MethodGet, key.sign(bad), ""); status/100 == 2 {
			t.Errorf("%s is accepted: %s", name, body)
		}
	}
}

// restAPI is an application's.
type restAPI struct {
	t   testing.TB
	url string
}

func (a restAPI) call(method, token, body string) (int, string) {
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+"/note?select=text", strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(raw)
}

func (a restAPI) want(status int, body, token string) {
	a.t.Helper()
	if s, b := a.call(http.MethodGet, token, ""); s != status || b != body {
		a.t.Errorf("got %d %s, want %d %s", s, b, status, body)
	}
}

// eventually waits for at most the minute in which a table or a key must be known.
func (a restAPI) eventually(body, token string) {
	a.t.Helper()
	testutil.Eventually(a.t, time.Minute, "the rows are served", func() error {
		if s, b := a.call(http.MethodGet, token, ""); s != http.StatusOK || b != body {
			return fmt.Errorf("%d %s", s, b)
		}
		return nil
	})
}

// part is one of the three parts of a token (RFC 7519).
func part(t testing.TB, token string, i int) map[string]any {
	t.Helper()
	out := map[string]any{}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func headerOf(t testing.TB, token string) map[string]any { t.Helper(); return part(t, token, 0) }
func claimsOf(t testing.TB, token string) map[string]any { t.Helper(); return part(t, token, 1) }

func join(header, claims map[string]any) string {
	var parts []string
	for _, p := range []map[string]any{header, claims} {
		raw, err := json.Marshal(p)
		if err != nil {
			panic(err) // maps of plain values
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(raw))
	}
	return strings.Join(parts, ".")
}

// changeByte changes a byte in the middle of the signature.
func changeByte(token string) string {
	i := strings.LastIndex(token, ".") + 20
	with := byte('A')
	if token[i] == with {
		with = 'B'
	}
	return token[:i] + string(with) + token[i+1:]
}

// hmacToken is signed with the public key as if it were a shared secret, which careless libraries accept.
func hmacToken(t testing.TB, r UpResult, token string) string {
	t.Helper()
	res, err := http.Get(r.Connections.AuthInternalURL + "/protocol/openid-connect/certs") //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var keys struct{ Keys []struct{ Kid, X5C string } }
	raw, _ := io.ReadAll(res.Body)
	_ = json.Unmarshal(raw, &keys)
	header := map[string]any{"alg": "HS256", "typ": "JWT", "kid": headerOf(t, token)["kid"]}
	text := join(header, claimsOf(t, token))
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// intruder is a token of the same realm and role, for another client.
func intruder(t testing.TB, c *testutil.Console, r UpResult) string {
	t.Helper()
	c.Must(http.MethodPost, "shop-local/clients", map[string]any{
		"clientId": "intruder", "publicClient": true, "directAccessGrantsEnabled": true,
		"protocolMappers": []map[string]any{{
			"name": "role", "protocol": "openid-connect", "protocolMapper": "oidc-hardcoded-claim-mapper",
			"config": map[string]any{"claim.name": "role", "claim.value": "shop_user", "jsonType.label": "String", "access.token.claim": "true"},
		}},
	})
	_, answer := c.Form("shop-local", url.Values{
		"grant_type": {"password"}, "client_id": {"intruder"}, "username": {"demo"}, "password": {r.Connections.DemoPassword},
	})
	token, ok := answer["access_token"].(string)
	if !ok || claimsOf(t, token)["role"] != "shop_user" {
		t.Fatalf("no token for the other client: %v", answer["error_description"])
	}
	return token
}

// signer signs tokens with a key of the test's own.
type signer struct {
	key *rsa.PrivateKey
	pem string
	kid string
}

func newSigner(t testing.TB) *signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return &signer{key: key, pem: string(pem.EncodeToMemory(block))}
}

func (s *signer) sign(claims map[string]any) string {
	text := join(map[string]any{"alg": "RS256", "typ": "JWT", "kid": s.kid}, claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err) // the key was made for it
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}
