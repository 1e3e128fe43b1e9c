package keycloak

import (
	"maps"
	"slices"
	"strconv"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// samlArgs are the inputs of an identity provider that speaks SAML.
type samlArgs struct {
	providerArgs

	Alias           string `json:"alias" kc:"alias"`
	ProviderID      string `json:"providerId,omitempty" kc:"providerId" default:"saml"`
	DisplayName     string `json:"displayName" kc:"displayName" default:""`
	HideOnLoginPage *bool  `json:"hideOnLoginPage,omitempty" kc:"hideOnLogin"`

	EntityID               string `json:"entityId" kc:"config/entityId"`
	SingleSignOnServiceURL string `json:"singleSignOnServiceUrl" kc:"config/singleSignOnServiceUrl"`
	SingleLogoutServiceURL string `json:"singleLogoutServiceUrl,omitempty" kc:"config/singleLogoutServiceUrl"`
	// NameIDPolicyFormat is a name, such as Email, for one of SAML's URNs.
	NameIDPolicyFormat string `json:"nameIdPolicyFormat" default:""`
	PrincipalType      string `json:"principalType" kc:"config/principalType" default:""`
	PrincipalAttribute string `json:"principalAttribute" kc:"config/principalAttribute" default:""`

	BackchannelSupported    *bool `json:"backchannelSupported,omitempty" kc:"config/backchannelSupported,quoted"`
	ForceAuthn              *bool `json:"forceAuthn,omitempty" kc:"config/forceAuthn,quoted"`
	PostBindingAuthnRequest *bool `json:"postBindingAuthnRequest,omitempty" kc:"config/postBindingAuthnRequest,quoted"`
	PostBindingLogout       *bool `json:"postBindingLogout,omitempty" kc:"config/postBindingLogout,quoted"`
	PostBindingResponse     *bool `json:"postBindingResponse,omitempty" kc:"config/postBindingResponse,quoted"`

	ValidateSignature       *bool  `json:"validateSignature,omitempty" kc:"config/validateSignature,quoted"`
	WantAssertionsEncrypted *bool  `json:"wantAssertionsEncrypted,omitempty" kc:"config/wantAssertionsEncrypted,quoted"`
	WantAssertionsSigned    *bool  `json:"wantAssertionsSigned,omitempty" kc:"config/wantAssertionsSigned,quoted"`
	SigningCertificate      string `json:"signingCertificate,omitempty" kc:"config/signingCertificate"`
	// SignatureAlgorithm also makes Keycloak sign its requests.
	SignatureAlgorithm               string `json:"signatureAlgorithm" kc:"config/signatureAlgorithm" default:""`
	XMLSignKeyInfoKeyNameTransformer string `json:"xmlSignKeyInfoKeyNameTransformer" kc:"config/xmlSigKeyInfoKeyNameTransformer" default:""`

	AuthnContextClassRefs      []string `json:"authnContextClassRefs,omitempty" kc:"config/authnContextClassRefs,array"`
	AuthnContextDeclRefs       []string `json:"authnContextDeclRefs,omitempty" kc:"config/authnContextDeclRefs,array"`
	AuthnContextComparisonType string   `json:"authnContextComparisonType,omitempty" kc:"config/authnContextComparisonType"`
}

type samlState struct {
	samlArgs

	InternalID string `json:"internalId"`
}

const (
	nameIDFormat = "nameIDPolicyFormat"
	signRequests = "wantAuthnRequestsSigned"
)

func samlType() embedded.Resource[*admin.Client] {
	return identityProvider[samlArgs, samlState]{
		token:  "keycloak:saml/identityProvider:IdentityProvider",
		inputs: func(s *samlState) *samlArgs { return &s.samlArgs },
		common: func(in *samlArgs) *providerArgs { return &in.providerArgs },
		alias:  func(in *samlArgs) string { return in.Alias },
		kind:   func(in *samlArgs) string { return in.ProviderID },
		check:  checkSaml,
		write: func(in *samlArgs, config admin.Object) {
			config[signRequests] = strconv.FormatBool(in.SignatureAlgorithm != "")
			delete(config, nameIDFormat)
			if in.NameIDPolicyFormat != "" {
				config[nameIDFormat] = nameIDFormats()[in.NameIDPolicyFormat]
			}
		},
		read: func(in *samlArgs, config admin.Object) {
			in.NameIDPolicyFormat = config.Text(nameIDFormat) // a person's own is reported as it is, which is drift
			for name, urn := range nameIDFormats() {
				if urn == config.Text(nameIDFormat) {
					in.NameIDPolicyFormat = name
				}
			}
		},
		outputs: func(s *samlState, o admin.Object) { s.InternalID = o.Text("internalId") },
	}.resource()
}

func checkSaml(in *samlArgs, c *checks) {
	c.required("entityId", in.EntityID)
	c.required("singleSignOnServiceUrl", in.SingleSignOnServiceURL)
	c.url("singleSignOnServiceUrl", in.SingleSignOnServiceURL)
	c.url("singleLogoutServiceUrl", in.SingleLogoutServiceURL)
	optional := func(input, s string, values ...string) {
		if s != "" {
			c.oneOf(input, s, values...)
		}
	}
	optional("nameIdPolicyFormat", in.NameIDPolicyFormat, slices.Sorted(maps.Keys(nameIDFormats()))...)
	optional("principalType", in.PrincipalType, "SUBJECT", "ATTRIBUTE", "FRIENDLY_ATTRIBUTE")
	optional("signatureAlgorithm", in.SignatureAlgorithm,
		"RSA_SHA1", "RSA_SHA256", "RSA_SHA256_MGF1", "RSA_SHA512", "RSA_SHA512_MGF1", "DSA_SHA1")
	optional("xmlSignKeyInfoKeyNameTransformer", in.XMLSignKeyInfoKeyNameTransformer, "NONE", "KEY_ID", "CERT_SUBJECT")
	optional("authnContextComparisonType", in.AuthnContextComparisonType, "exact", "minimum", "maximum", "better")
}

// nameIDFormats are the official plugin's names for SAML's URNs.
// Source: terraform-provider-keycloak, provider/resource_keycloak_saml_identity_provider.go, nameIdPolicyFormats.
func nameIDFormats() map[string]string {
	const v1, v2 = "urn:oasis:names:tc:SAML:1.1:nameid-format:", "urn:oasis:names:tc:SAML:2.0:nameid-format:"
	return map[string]string{
		"Windows Domain Qualified Name": v1 + "WindowsDomainQualifiedName",
		"Persistent":                    v2 + "persistent",
		"Transient":                     v2 + "transient",
		"Email":                         v1 + "emailAddress",
		"Kerberos":                      v2 + "kerberos",
		"X.509 Subject Name":            v1 + "X509SubjectName",
		"Unspecified":                   v1 + "unspecified",
	}
}
