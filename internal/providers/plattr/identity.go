package plattr

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"plattr.dev/plattr/internal/providers/embedded"
)

// IdentityMetadataArgs are the inputs of plattr:index:IdentityMetadata: where an identity provider describes itself. One
// of the two is given. The description is read when the resource is made and when an address changes, so a provider that
// is out of reach later stops no run.
type IdentityMetadataArgs struct {
	// Issuer is that of an OpenID Connect provider.
	Issuer string `json:"issuer,omitempty"`
	// MetadataURL is a document of OpenID Connect Discovery 1.0 (JSON) or of SAML 2.0 metadata (XML).
	MetadataURL string `json:"metadataUrl,omitempty"`
}

// IdentityMetadataState is what the provider says; what does not apply is empty.
type IdentityMetadataState struct {
	IdentityMetadataArgs

	EntityID         string `json:"entityId"` // the issuer, or SAML's entityID
	AuthorizationURL string `json:"authorizationUrl"`
	TokenURL         string `json:"tokenUrl"`
	UserInfoURL      string `json:"userInfoUrl"`
	JWKSURL          string `json:"jwksUrl"`
	LogoutURL        string `json:"logoutUrl"`
	// SignOnURL, SignOutURL and Certificate are SAML's; of the certificates for signatures it is the first.
	SignOnURL   string `json:"singleSignOnUrl"`
	SignOutURL  string `json:"singleLogoutUrl"`
	Certificate string `json:"certificate"`
}

const (
	metadataTimeout = 15 * time.Second
	maxMetadata     = 4 << 20 // bytes; federations publish large ones
)

func identityMetadataType() *embedded.Type[client, IdentityMetadataArgs, IdentityMetadataState] {
	return &embedded.Type[client, IdentityMetadataArgs, IdentityMetadataState]{
		Token: "plattr:index:IdentityMetadata",
		Check: checkIdentityMetadata,
		Create: func(ctx context.Context, _ client, op embedded.Op, a IdentityMetadataArgs) (string, IdentityMetadataState, error) {
			s, err := readMetadata(ctx, a)
			return op.URN.Name(), s, err
		},
		Read: func(_ context.Context, _ client, op embedded.Op, id string, s IdentityMetadataState) (IdentityMetadataState, error) {
			if op.Import {
				return s, fmt.Errorf("identity provider metadata %s cannot be imported", id)
			}
			return s, nil
		},
		Update: func(
			ctx context.Context, _ client, _ embedded.Op, _ string, _ IdentityMetadataState, a IdentityMetadataArgs,
		) (IdentityMetadataState, error) {
			return readMetadata(ctx, a)
		},
		Delete: func(context.Context, client, embedded.Op, string, IdentityMetadataState) error { return nil },
	}
}

func checkIdentityMetadata(a *IdentityMetadataArgs) []embedded.Problem {
	if (a.Issuer == "") == (a.MetadataURL == "") {
		return []embedded.Problem{{Input: "issuer", Reason: "issuer or metadataUrl is required, one of them"}}
	}
	input, address := "issuer", a.Issuer
	if a.MetadataURL != "" {
		input, address = "metadataUrl", a.MetadataURL
	}
	if !isTrustworthy(address) {
		return []embedded.Problem{{Input: input, Reason: fmt.Sprintf("%q is no https:// URL", address)}}
	}
	return nil
}

// isTrustworthy tells addresses whose answer nobody can change on the way.
func isTrustworthy(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

func readMetadata(ctx context.Context, a IdentityMetadataArgs) (IdentityMetadataState, error) {
	address := a.MetadataURL
	if a.Issuer != "" {
		address = strings.TrimSuffix(a.Issuer, "/") + "/.well-known/openid-configuration"
	}
	s, err := fetchMetadata(ctx, address)
	if err == nil && a.Issuer != "" && s.EntityID != a.Issuer {
		err = fmt.Errorf("it says that it is issuer %q, not %q", s.EntityID, a.Issuer)
	}
	if err != nil {
		return s, fmt.Errorf("read what the identity provider says of itself at %s: %w", address, err)
	}
	s.IdentityMetadataArgs = a
	return s, nil
}

func fetchMetadata(ctx context.Context, address string) (s IdentityMetadataState, err error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return s, err //nolint:wrapcheck // the caller says what was attempted
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return s, errors.Unwrap(err) //nolint:wrapcheck // the caller says what was attempted
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("the server answers %s", resp.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata))
	if err != nil {
		return s, err
	}
	if strings.HasPrefix(strings.TrimSpace(string(raw)), "<") {
		return parseSAML(raw)
	}
	return parseDiscovery(raw)
}

// parseDiscovery reads a document of OpenID Connect Discovery 1.0, section 3.
func parseDiscovery(raw []byte) (s IdentityMetadataState, err error) {
	var d struct {
		Issuer        string `json:"issuer"`
		Authorization string `json:"authorization_endpoint"`
		Token         string `json:"token_endpoint"`
		UserInfo      string `json:"userinfo_endpoint"`
		JWKS          string `json:"jwks_uri"`
		EndSession    string `json:"end_session_endpoint"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return s, fmt.Errorf("it is neither JSON nor XML: %w", err)
	}
	for name, value := range map[string]string{
		"issuer": d.Issuer, "authorization_endpoint": d.Authorization, "token_endpoint": d.Token, "jwks_uri": d.JWKS,
	} {
		if value == "" {
			return s, fmt.Errorf("it has no %s", name)
		}
	}
	return IdentityMetadataState{
		EntityID: d.Issuer, AuthorizationURL: d.Authorization, TokenURL: d.Token, UserInfoURL: d.UserInfo,
		JWKSURL: d.JWKS, LogoutURL: d.EndSession,
	}, nil
}

// samlService is an address with the binding under which it is used.
type samlService struct {
	Binding  string `xml:"Binding,attr"`
	Location string `xml:"Location,attr"`
}

// samlEntity is an EntityDescriptor (SAML 2.0 Metadata, section 2.3.2), as far as it is needed.
type samlEntity struct {
	XMLName  xml.Name
	EntityID string `xml:"entityID,attr"`
	IDP      *struct {
		Keys []struct {
			Use          string   `xml:"use,attr"`
			Certificates []string `xml:"KeyInfo>X509Data>X509Certificate"`
		} `xml:"KeyDescriptor"`
		SignOn  []samlService `xml:"SingleSignOnService"`
		SignOut []samlService `xml:"SingleLogoutService"`
	} `xml:"IDPSSODescriptor"`
	// Entities are those of an EntitiesDescriptor.
	Entities []samlEntity `xml:"EntityDescriptor"`
}

func parseSAML(raw []byte) (s IdentityMetadataState, err error) {
	var e samlEntity
	if err := xml.Unmarshal(raw, &e); err != nil {
		return s, fmt.Errorf("it is no SAML metadata: %w", err)
	}
	if len(e.Entities) == 1 {
		e = e.Entities[0]
	}
	if e.IDP == nil || e.EntityID == "" {
		return s, errors.New("it describes no SAML identity provider, or more than one")
	}
	s.EntityID, s.SignOnURL, s.SignOutURL = e.EntityID, location(e.IDP.SignOn), location(e.IDP.SignOut)
	for _, key := range e.IDP.Keys {
		if key.Use != "encryption" && len(key.Certificates) > 0 && s.Certificate == "" {
			s.Certificate = strings.Join(strings.Fields(key.Certificates[0]), "")
		}
	}
	if s.SignOnURL == "" || s.Certificate == "" {
		return s, errors.New("it has no SingleSignOnService with the bindings HTTP-POST or HTTP-Redirect, or no certificate for signatures")
	}
	return s, nil
}

// location prefers the binding in which answers of any size fit.
func location(services []samlService) string {
	for _, binding := range []string{"HTTP-POST", "HTTP-Redirect"} {
		for _, s := range services {
			if strings.HasSuffix(s.Binding, ":"+binding) {
				return s.Location
			}
		}
	}
	return ""
}
