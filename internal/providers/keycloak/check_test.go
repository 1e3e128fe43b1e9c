package keycloak

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/testutil"
)

// offline is a provider whose server no request must reach.
func offline(t testing.TB) *testutil.Provider {
	t.Helper()
	return testutil.NewProvider(t, New(), "mine", props{"url": "http://nowhere.invalid", "clientId": "a", "clientSecret": "b"})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	realm := func(change props) props { return merged(props{"realm": "shop"}, change) }
	client := func(change props) props {
		return merged(props{"realmId": "shop", "clientId": "web", "accessType": "PUBLIC", "standardFlowEnabled": true, "validRedirectUris": []any{"http://localhost/*"}}, change)
	}
	redirect := func(uri string) props { return client(props{"validRedirectUris": []any{uri}}) }
	origin := func(uri string) props { return client(props{"webOrigins": []any{uri}}) }
	mapper := props{"realmId": "shop", "clientId": "uuid", "name": "m", "claimName": "a", "claimValue": "b"}
	oidc := props{
		"realm": "shop", "alias": "id", "clientId": "a", "clientSecret": "b", "authorizationUrl": "https://a", "tokenUrl": "https://a",
	}
	saml := props{"realm": "shop", "alias": "id", "entityId": "a", "singleSignOnServiceUrl": "https://a"}
	user := func(change props) props { return merged(props{"realmId": "shop", "username": "anna"}, change) }
	long := strings.Repeat("x", 256)
	cases := map[string]struct {
		token   string
		in      props
		wantErr string // empty: it is accepted
	}{
		"Realm":              {realmToken, realm(nil), ""},
		"RealmUnicode":       {realmToken, realm(props{"realm": "Läden-日本_1.0~"}), ""},
		"RealmUnnamed":       {realmToken, props{}, "realm: is required"},
		"RealmBlank":         {realmToken, realm(props{"realm": " "}), "realm: is required"},
		"RealmSlash":         {realmToken, realm(props{"realm": "a/b"}), `realm: "a/b" must be made of letters, digits and - _ . ~, without '/'`},
		"RealmSemicolon":     {realmToken, realm(props{"realm": "a;b"}), "without ';'"},
		"RealmPercent":       {realmToken, realm(props{"realm": "a%2e"}), "without '%'"},
		"RealmSpace":         {realmToken, realm(props{"realm": "a b"}), "without ' '"},
		"RealmQuote":         {realmToken, realm(props{"realm": `a"b`}), `without '"'`},
		"RealmDot":           {realmToken, realm(props{"realm": "."}), `must not be "."`},
		"RealmDots":          {realmToken, realm(props{"realm": ".."}), `must not be ".."`},
		"RealmNUL":           {realmToken, realm(props{"realm": "a\x00b"}), "realm: must not contain a NUL"},
		"RealmLongest":       {realmToken, realm(props{"realm": strings.Repeat("r", 237)}), ""},
		"RealmTooLong":       {realmToken, realm(props{"realm": strings.Repeat("r", 238)}), "realm: has 238 characters as part of an address, Keycloak takes 237"},
		"RealmFarTooLong":    {realmToken, realm(props{"realm": long}), "realm: has 256 characters, Keycloak takes 255"},
		"RealmLongUnicode":   {realmToken, realm(props{"realm": strings.Repeat("日", 30)}), "realm: has 270 characters"},
		"RealmInternalID":    {realmToken, realm(props{"internalId": strings.Repeat("r", 37)}), "internalId: has 37 characters, Keycloak takes 36"},
		"RealmSSL":           {realmToken, realm(props{"sslRequired": "some"}), `sslRequired: "some" is not one of none, external, all`},
		"RealmDuration":      {realmToken, realm(props{"accessTokenLifespan": "300"}), `accessTokenLifespan: "300" is no duration: write one such as 30m`},
		"RealmNegative":      {realmToken, realm(props{"ssoSessionIdleTimeout": "-5m"}), `ssoSessionIdleTimeout: "-5m" must not be negative`},
		"RealmFraction":      {realmToken, realm(props{"accessCodeLifespan": "1.5s"}), "accessCodeLifespan:"},
		"RealmForever":       {realmToken, realm(props{"offlineSessionMaxLifespan": "1000000h"}), "offlineSessionMaxLifespan: \"1000000h\" is too long"},
		"RealmReuse":         {realmToken, realm(props{"refreshTokenMaxReuse": -1}), "refreshTokenMaxReuse: must not be negative"},
		"RealmEmails":        {realmToken, realm(props{"duplicateEmailsAllowed": true, "loginWithEmailAllowed": true}), "duplicateEmailsAllowed: cannot be true"},
		"RealmMail":          {realmToken, realm(props{"smtpServer": props{}}), `input "smtpServer" is not supported by the embedded keycloak provider`},
		"RealmBruteForce":    {realmToken, realm(props{"securityDefenses": props{"bruteForceDetection": props{"maxLoginFailures": -1}}}), "securityDefenses: bruteForceDetection.maxLoginFailures must not be negative"},
		"RealmHeader":        {realmToken, realm(props{"securityDefenses": props{"headers": props{"referrerPolicy": "x"}}}), "referrerPolicy"},
		"RealmAttribute":     {realmToken, realm(props{"attributes": props{"a": props{"b": "c"}}}), "an attribute must be a text"},
		"RealmAttributeNUL":  {realmToken, realm(props{"attributes": props{"a": "b\x00"}}), "attributes: must not contain a NUL"},
		"Client":             {clientToken, client(nil), ""},
		"ClientUnnamed":      {clientToken, client(props{"clientId": ""}), "clientId: is required"},
		"ClientNowhere":      {clientToken, client(props{"realmId": ""}), "realmId: is required"},
		"ClientLong":         {clientToken, client(props{"clientId": long}), "clientId: has 256 characters"},
		"ClientDescription":  {clientToken, client(props{"description": long}), "description: has 256 characters"},
		"ClientAccess":       {clientToken, client(props{"accessType": "public"}), `accessType: "public" is not one of CONFIDENTIAL, PUBLIC, BEARER-ONLY`},
		"ClientPublicSecret": {clientToken, client(props{"clientSecret": "x"}), "clientSecret: is only for"},
		"ClientService":      {clientToken, client(props{"serviceAccountsEnabled": true}), "serviceAccountsEnabled: is only for"},
		"ClientBearer":       {clientToken, client(props{"accessType": "BEARER-ONLY"}), "accessType: a client that is BEARER-ONLY"},
		"ClientNoRedirect":   {clientToken, client(props{"validRedirectUris": nil}), "validRedirectUris: is required when"},
		"ClientPKCE":         {clientToken, client(props{"pkceCodeChallengeMethod": "S512"}), "pkceCodeChallengeMethod:"},
		"ClientSeconds":      {clientToken, client(props{"accessTokenLifespan": "5m"}), `accessTokenLifespan: "5m" is no number of seconds: write one such as 300`},
		"ClientForever":      {clientToken, client(props{"clientSessionIdleTimeout": "-1"}), "clientSessionIdleTimeout:"},
		"ClientRootURL":      {clientToken, client(props{"rootUrl": "shop.example.org"}), "rootUrl:"},
		"ClientVariable":     {clientToken, client(props{"rootUrl": "${authBaseUrl}"}), ""},
		"ClientLogoutURL":    {clientToken, client(props{"backchannelLogoutUrl": "javascript:x"}), "backchannelLogoutUrl:"},
		"ClientImport":       {clientToken, client(props{"import": true}), "import: is not supported: give the client the attribute plattr.owner"},
		"ClientExtra":        {clientToken, client(props{"extraConfig": props{"login_theme": "x"}}), `extraConfig: "login_theme" has an input of its own: write loginTheme`},
		"ClientExtraEmpty":   {clientToken, client(props{"extraConfig": props{"my.key": ""}}), `extraConfig: "my.key" has no value`},
		"ClientFlows":        {clientToken, client(props{"authenticationFlowBindingOverrides": props{}}), "not supported"},
		"ClientSecretNUL":    {clientToken, client(props{"accessType": "CONFIDENTIAL", "clientSecret": "a\x00"}), "clientSecret: must not contain a NUL"},
		"RedirectApp":        {clientToken, redirect("org.example.shop:/callback"), ""},
		"RedirectIPv6":       {clientToken, redirect("http://[::1]:3000/*"), ""},
		"RedirectRelative":   {clientToken, redirect("/callback"), "validRedirectUris: \"/callback\" is no absolute address"},
		"RedirectAll":        {clientToken, redirect("*"), "validRedirectUris:"},
		"RedirectHost":       {clientToken, redirect("https://*.example.org/*"), `"https://*.example.org/*" has a * where none is allowed`},
		"RedirectPort":       {clientToken, redirect("http://localhost:*/cb"), "validRedirectUris:"},
		"RedirectMiddle":     {clientToken, redirect("https://a.example.org/*/cb"), "has a *"},
		"RedirectPrefix":     {clientToken, redirect("https://a.example.org/cb*"), "has a *"},
		"RedirectQuery":      {clientToken, redirect("https://a.example.org/cb?x=*"), "has a *"},
		"RedirectFragment":   {clientToken, redirect("https://a.example.org/#x"), "must not have a fragment"},
		"RedirectScript":     {clientToken, redirect("JavaScript:alert(1)"), "runs code"},
		"RedirectNoHost":     {clientToken, redirect("https:///cb"), "names no host"},
		"RedirectBlank":      {clientToken, redirect("http://a b/"), "validRedirectUris:"},
		"LogoutAll":          {clientToken, client(props{"validPostLogoutRedirectUris": []any{"+"}}), ""},
		"LogoutRelative":     {clientToken, client(props{"validPostLogoutRedirectUris": []any{"bye"}}), "validPostLogoutRedirectUris:"},
		"Origin":             {clientToken, origin("http://localhost:3000"), ""},
		"OriginAll":          {clientToken, origin("*"), ""},
		"OriginRedirects":    {clientToken, origin("+"), ""},
		"OriginSlash":        {clientToken, origin("http://localhost:3000/"), `is more than an origin: write http://localhost:3000`},
		"OriginPath":         {clientToken, origin("https://a.example.org/b"), "more than an origin"},
		"OriginHost":         {clientToken, origin("https://*.example.org"), "is no origin"},
		"OriginName":         {clientToken, origin("localhost"), "webOrigins: \"localhost\" is no origin"},
		"Scope":              {scopeToken, props{"realmId": "shop", "name": "shop:read"}, ""},
		"ScopeBlank":         {scopeToken, props{"realmId": "shop", "name": "a b"}, "name:"},
		"ScopeUnicode":       {scopeToken, props{"realmId": "shop", "name": "läden"}, "name: \"läden\" must be made of ASCII"},
		"ScopesNone":         {scopesToken, props{"realmId": "shop", "clientId": "uuid"}, ""},
		"ScopesUnnamed":      {scopesToken, props{"realmId": "shop", "clientId": "uuid", "defaultScopes": []any{""}}, "defaultScopes: is required"},
		"ScopesNoClient":     {scopesToken, props{"realmId": "shop", "defaultScopes": []any{"a"}}, "clientId: is required"},
		"Mapper":             {claimToken, mapper, ""},
		"MapperUnnamed":      {claimToken, merged(mapper, props{"name": nil}), "name: is required"},
		"MapperNowhere":      {claimToken, merged(mapper, props{"clientId": nil}), "clientId: or clientScopeId is required"},
		"MapperTwice":        {claimToken, merged(mapper, props{"clientScopeId": "x"}), "clientScopeId: must not be given"},
		"MapperType":         {claimToken, merged(mapper, props{"claimValueType": "float"}), "claimValueType:"},
		"MapperValue":        {claimToken, merged(mapper, props{"claimValue": nil}), "claimValue: is required"},
		"AudienceNone":       {audToken, props{"realmId": "shop", "clientId": "uuid", "name": "m"}, "includedClientAudience: or includedCustomAudience"},
		"AudienceBoth":       {audToken, props{"realmId": "shop", "clientId": "uuid", "name": "m", "includedClientAudience": "a", "includedCustomAudience": "b"}, "and not both"},
		"Role":               {roleToken, props{"realmId": "shop", "name": "a/b %;"}, ""},
		"RoleDots":           {roleToken, props{"realmId": "shop", "name": ".."}, `name: must not be ".."`},
		"RoleComposite":      {roleToken, props{"realmId": "shop", "name": "a", "compositeRoles": []any{}}, "not supported"},
		"User":               {userToken, user(nil), ""},
		"UserCapital":        {userToken, user(props{"username": "Łukasz"}), `username: must be in lower case, as Keycloak makes it: write "łukasz"`},
		"UserUnnamed":        {userToken, user(props{"username": ""}), "username: is required"},
		"UserNUL":            {userToken, user(props{"firstName": "a\x00"}), "firstName: must not contain a NUL"},
		"UserPassword":       {userToken, user(props{"initialPassword": props{"value": ""}}), "initialPassword: value is required"},
		"UserPasswordNUL":    {userToken, user(props{"initialPassword": props{"value": "a\x00"}}), "initialPassword: value must not contain a NUL"},
		"UserPasswordKey":    {userToken, user(props{"initialPassword": props{"value": "a", "valueWo": "b"}}), "valueWo"},
		"UserAttribute":      {userToken, user(props{"attributes": props{"phone": ""}}), `attributes: "phone" has no value`},
		"UserIdentities":     {userToken, user(props{"federatedIdentities": []any{}}), "not supported"},
		"OIDC":               {oidcToken, oidc, ""},
		"OIDCAlias":          {oidcToken, merged(oidc, props{"alias": "a b"}), "alias:"},
		"OIDCDot":            {oidcToken, merged(oidc, props{"alias": "."}), "alias:"},
		"OIDCURL":            {oidcToken, merged(oidc, props{"tokenUrl": "nowhere"}), "tokenUrl:"},
		"OIDCSecret":         {oidcToken, merged(oidc, props{"clientSecret": nil}), "clientSecret: is required"},
		"OIDCMasked":         {oidcToken, merged(oidc, props{"clientSecret": "**********"}), "clientSecret: is what Keycloak shows"},
		"OIDCSync":           {oidcToken, merged(oidc, props{"syncMode": "SOMETIMES"}), "syncMode:"},
		"OIDCKeys":           {oidcToken, merged(oidc, props{"validateSignature": true}), "validateSignature: needs jwksUrl"},
		"OIDCExtra":          {oidcToken, merged(oidc, props{"extraConfig": props{"tokenUrl": "x"}}), "write tokenUrl"},
		"OIDCLong":           {oidcToken, merged(oidc, props{"displayName": long}), "displayName: has 256 characters"},
		"Google":             {googleToken, props{"realm": "shop", "clientId": "a"}, "clientSecret: is required"},
		"SAML":               {samlToken, saml, ""},
		"SAMLFormat":         {samlToken, merged(saml, props{"nameIdPolicyFormat": "urn:x"}), "nameIdPolicyFormat: \"urn:x\" is not one of Email, Kerberos"},
		"SAMLAlgorithm":      {samlToken, merged(saml, props{"signatureAlgorithm": "MD5"}), "signatureAlgorithm:"},
		"SAMLURL":            {samlToken, merged(saml, props{"singleSignOnServiceUrl": "x"}), "singleSignOnServiceUrl:"},
		"UnknownType":        {"keycloak:index/group:Group", props{}, "does not serve keycloak:index/group:Group"},
	}
	p := offline(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := p.Check(t, tc.token, tc.in)
			wantErr(t, err, tc.wantErr)
		})
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	base := props{"url": "https://sso.example.org", "clientId": "plattr", "clientSecret": "planted"}
	cases := map[string]struct {
		change  props
		wantErr string
	}{
		"Complete": {props{
			"basePath": "/auth", "realm": "ops", "username": "a", "password": "b", "clientTimeout": "5", "initialLogin": "false",
			"tlsInsecureSkipVerify": "true",
		}, ""},
		"NoURL":       {props{"url": nil}, "url is required"},
		"NoScheme":    {props{"url": "sso.example.org"}, "url must be one such as"},
		"URLPassword": {props{"url": "https://admin:planted@sso.example.org"}, "url must hold no user"},
		"NoClient":    {props{"clientId": nil}, "clientId is required"},
		"NoSecret":    {props{"clientSecret": nil}, "clientSecret, or username and password, are required"},
		"Timeout":     {props{"clientTimeout": "-1"}, "clientTimeout must not be negative"},
		"Certificate": {props{"rootCaCertificate": "planted"}, "rootCaCertificate holds no certificate"},
		"RedHat":      {props{"redHatSso": "true"}, `input "redHatSso" is not supported by the embedded keycloak provider`},
		"Headers":     {props{"additionalHeaders": `{"a":"b"}`}, "additionalHeaders"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := testutil.ConfigurationError(t, New(), merged(base, tc.change))
			if tc.wantErr == "" && got != "" || !strings.Contains(got, tc.wantErr) || strings.Contains(got, "planted") {
				t.Errorf("error %q, want one with %q", got, tc.wantErr)
			}
		})
	}
}

// TestPreview holds that a preview needs no server, and knows what it cannot know.
func TestPreview(t *testing.T) {
	t.Parallel()
	p := offline(t)
	in, err := p.Check(t, clientToken, props{"realmId": "shop", "clientId": "web", "accessType": "CONFIDENTIAL"})
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.Provider.Create(t.Context(), plugin.CreateRequest{
		URN: "urn:pulumi:s::p::" + clientToken + "::x", Properties: in, Preview: true,
	})
	if err != nil || !res.Properties["serviceAccountUserId"].IsComputed() {
		t.Errorf("preview %v, %v", res.Properties, err)
	}
}

// TestImport holds that a thing whose ID does not say its realm is refused clearly.
func TestImport(t *testing.T) {
	t.Parallel()
	_, err := offline(t).Read(t.Context(), plugin.ReadRequest{URN: "urn:pulumi:s::p::" + roleToken + "::x", ID: "uuid"})
	wantErr(t, err, "role uuid cannot be imported: its ID does not say where it is")
}

// FuzzRedirects holds that what is accepted is an absolute address, with a wildcard at its end at most.
func FuzzRedirects(f *testing.F) {
	f.Add("https://a.example.org/*")
	f.Add("http://*.example.org")
	f.Fuzz(func(t *testing.T, uri string) {
		var c checks
		c.redirects("x", []string{uri})
		if len(c) == 0 && (!strings.Contains(uri, ":") || strings.Contains(strings.TrimSuffix(uri, "/*"), "*")) {
			t.Errorf("%q was accepted", uri)
		}
	})
}
