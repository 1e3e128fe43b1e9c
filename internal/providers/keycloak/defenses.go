package keycloak

import "plattr.dev/plattr/internal/providers/keycloak/admin"

// securityDefenses are the headers of a realm's pages and what it does against guessed passwords.
type securityDefenses struct {
	Headers             *headers    `json:"headers,omitempty"`
	BruteForceDetection *bruteForce `json:"bruteForceDetection,omitempty"`
}

type headers struct {
	ContentSecurityPolicy           string `json:"contentSecurityPolicy,omitempty" kc:"contentSecurityPolicy" default:"frame-src 'self'; frame-ancestors 'self'; object-src 'none';"`
	ContentSecurityPolicyReportOnly string `json:"contentSecurityPolicyReportOnly" kc:"contentSecurityPolicyReportOnly" default:""`
	StrictTransportSecurity         string `json:"strictTransportSecurity,omitempty" kc:"strictTransportSecurity" default:"max-age=31536000; includeSubDomains"`
	XContentTypeOptions             string `json:"xContentTypeOptions,omitempty" kc:"xContentTypeOptions" default:"nosniff"`
	XFrameOptions                   string `json:"xFrameOptions,omitempty" kc:"xFrameOptions" default:"SAMEORIGIN"`
	XRobotsTag                      string `json:"xRobotsTag,omitempty" kc:"xRobotsTag" default:"none"`
	XXSSProtection                  string `json:"xXssProtection,omitempty" kc:"xXSSProtection" default:"1; mode=block"`
}

type bruteForce struct {
	FailureResetTimeSeconds      *int  `json:"failureResetTimeSeconds,omitempty" kc:"maxDeltaTimeSeconds" default:"43200"`
	MaxFailureWaitSeconds        *int  `json:"maxFailureWaitSeconds,omitempty" kc:"maxFailureWaitSeconds" default:"900"`
	MaxLoginFailures             *int  `json:"maxLoginFailures,omitempty" kc:"failureFactor" default:"30"`
	MinimumQuickLoginWaitSeconds *int  `json:"minimumQuickLoginWaitSeconds,omitempty" kc:"minimumQuickLoginWaitSeconds" default:"60"`
	PermanentLockout             *bool `json:"permanentLockout,omitempty" kc:"permanentLockout" default:"false"`
	QuickLoginCheckMilliSeconds  *int  `json:"quickLoginCheckMilliSeconds,omitempty" kc:"quickLoginCheckMilliSeconds" default:"1000"`
	WaitIncrementSeconds         *int  `json:"waitIncrementSeconds,omitempty" kc:"waitIncrementSeconds" default:"60"`
}

const (
	headersKey    = "browserSecurityHeaders"
	bruteForceKey = "bruteForceProtected"
)

// defenses fills in the official plugin's defaults and checks.
func (c *checks) defenses(d *securityDefenses) {
	if d == nil {
		return
	}
	if d.Headers != nil {
		fill(d.Headers)
		var inner checks
		inner.texts(d.Headers)
		c.within("securityDefenses", "headers", inner)
	}
	if d.BruteForceDetection != nil {
		fill(d.BruteForceDetection)
		var inner checks
		for f := range fieldsOf(d.BruteForceDetection) {
			if n, ok := f.value.Interface().(*int); ok && *n < 0 {
				inner.add(f.input, "must not be negative")
			}
		}
		c.within("securityDefenses", "bruteForceDetection", inner)
	}
}

// within reports problems of an object within an input.
func (c *checks) within(input, part string, inner checks) {
	for _, p := range inner {
		c.add(input, "%s.%s %s", part, p.Input, p.Reason)
	}
}

// write writes what is declared. What was declared before goes back to the official plugin's defaults; what never was
// stays as it is.
func (d *securityDefenses) write(o admin.Object, before *securityDefenses) {
	want, was := securityDefenses{}, securityDefenses{}
	if d != nil {
		want = *d
	}
	if before != nil {
		was = *before
	}
	if want.Headers == nil && was.Headers != nil {
		want.Headers = &headers{}
		fill(want.Headers)
	}
	if want.Headers != nil {
		write(want.Headers, o.Sub(headersKey))
	}
	switch {
	case want.BruteForceDetection != nil:
		o[bruteForceKey] = true
		write(want.BruteForceDetection, o)
	case d != nil || was.BruteForceDetection != nil:
		o[bruteForceKey] = false
	}
}

// read is what the declared defenses are now. A protection that a person switched on is reported too, for a realm that
// declares any.
func (d *securityDefenses) read(o admin.Object) *securityDefenses {
	if d == nil {
		return nil
	}
	out := &securityDefenses{}
	if d.Headers != nil {
		out.Headers = &headers{}
		read(o.Sub(headersKey), out.Headers)
	}
	if o.Bool(bruteForceKey) {
		out.BruteForceDetection = &bruteForce{}
		read(o, out.BruteForceDetection)
	}
	return out
}
