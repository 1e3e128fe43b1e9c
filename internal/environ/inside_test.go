package environ

import "testing"

func TestInside(t *testing.T) {
	t.Parallel()
	at := map[string]string{"127.0.0.1:5432": "postgresql.services:5432", "127.0.0.1:8080": "keycloak.services:8080"}
	cases := map[string]struct{ reason, in, want string }{
		"Database": {
			"Login, password and parameters stay as they are.",
			"postgres://shop:a%2Fb%40c@127.0.0.1:5432/shop?sslmode=disable", "postgres://shop:a%2Fb%40c@postgresql.services:5432/shop?sslmode=disable",
		},
		"Web":       {"A path stays.", "http://127.0.0.1:8080/realms/shop-local", "http://keycloak.services:8080/realms/shop-local"},
		"OtherPort": {"Another server on the same host is not meant.", "http://127.0.0.1:9000", "http://127.0.0.1:9000"},
		"Nothing":   {"What is not there stays so.", "", ""},
		"NoURL":     {"What cannot be read is left alone.", "127.0.0.1:5432", "127.0.0.1:5432"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Inside(c.in, at); got != c.want {
				t.Errorf("Inside(%q) = %q, want %q: %s", c.in, got, c.want, c.reason)
			}
		})
	}
	c := Connections{AuthInternalURL: "http://127.0.0.1:8080/realms/x", IssuerURL: "http://localhost:8080/realms/x", S3PublicEndpoint: "http://127.0.0.1:8080"}
	in := c.Inside(at)
	if in.AuthInternalURL != "http://keycloak.services:8080/realms/x" || in.IssuerURL != c.IssuerURL || in.S3PublicEndpoint != c.S3PublicEndpoint {
		t.Errorf("%#v %s %s %s: what tokens say and browsers use must stay", in, in.AuthInternalURL, in.IssuerURL, in.S3PublicEndpoint)
	}
}
