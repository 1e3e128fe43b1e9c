package keycloak

import (
	"net/url"
	"slices"
	"strings"
)

// url is a problem unless s is empty or the address of a web server. Keycloak's own variables, such as ${authBaseUrl},
// may begin it.
func (c *checks) url(input, s string) {
	if s == "" || strings.HasPrefix(s, "${") {
		return
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		c.add(input, "%q is no address: write one such as https://app.example.org", s)
	}
}

// redirects is a problem if an address to come back to is one that Keycloak refuses, or that lets others in.
func (c *checks) redirects(input string, list []string, special ...string) {
	for _, s := range list {
		if slices.Contains(special, s) {
			continue
		}
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Scheme == "":
			c.add(input, "%q is no absolute address: write one such as https://app.example.org/callback", s)
		case slices.Contains([]string{"javascript", "data", "vbscript"}, strings.ToLower(u.Scheme)):
			c.add(input, "%q has a scheme that runs code", s)
		case (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() == "":
			c.add(input, "%q names no host", s)
		case u.Fragment != "" || strings.HasSuffix(s, "#"):
			c.add(input, "%q must not have a fragment (#)", s)
		case strings.Contains(strings.TrimSuffix(s, "/*"), "*"):
			c.add(input, "%q has a * where none is allowed: only as the end of a path, as in https://app.example.org/*", s)
		}
	}
}

// origins is a problem if a web origin is none. Keycloak takes * for all and + for those of the redirect addresses.
func (c *checks) origins(input string, list []string) {
	for _, s := range list {
		if s == "*" || s == "+" {
			continue
		}
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Scheme == "" || u.Host == "" || strings.Contains(s, "*"):
			c.add(input, "%q is no origin: write one such as https://app.example.org, or *, or +", s)
		case u.Scheme+"://"+u.Host != s:
			c.add(input, "%q is more than an origin: write %s", s, u.Scheme+"://"+u.Host)
		}
	}
}
