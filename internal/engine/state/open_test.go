package state_test

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/engine/state"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ reason, url, want string }{
		"Relative":  {"a relative path depends on where we are", "file://here/x", "absolute path"},
		"Scheme":    {"the stores that there are", "gs://bucket", `there is no store "gs", only file:///directory, s3://`},
		"NoScheme":  {"a path alone", "/var/lib/x", "there is no store"},
		"Secret":    {"a password is not repeated", "mysql://u:hunter2@h/db?password=hunter2", "there is no store"},
		"Broken":    {"not a URL", "postgres://u:hunter2%zz@h/d", "state URL: it cannot be parsed"},
		"File":      {"a file is in the way", "file:///dev/null/x", "state directory"},
		"NoBucket":  {"no bucket", "s3:///prefix", "want s3://bucket"},
		"Port":      {"an endpoint is no bucket", "s3://localhost:9000/bucket", "want s3://bucket"},
		"S3Keys":    {"keys in the URL", "s3://key:hunter2@bucket", "credentials do not belong into the URL"},
		"S3Param":   {"a parameter that is not known", "s3://bucket?regoin=x", `no parameter "regoin", only region, endpoint`},
		"S3Bool":    {"neither true nor false", "s3://bucket?s3ForcePathStyle=maybe", "want true or false"},
		"Endpoint":  {"an endpoint without a host", "s3://bucket?endpoint=ftp://x", "the endpoint must be http://"},
		"Dots":      {"a prefix that leaves the bucket's tree", "s3://bucket/a/../b", "no empty part and no .."},
		"NoName":    {"no database", "postgres://u:hunter2@h", "want postgres://user:password@host:port/database"},
		"NoHost":    {"no host", "postgres:///db", "want postgres://user:password@host:port/database"},
		"Table":     {"the schema is ours", "postgres://u:hunter2@h/d?search_path=x", "search_path cannot be set"},
		"SSL":       {"a value that the driver does not know", "postgres://u:hunter2@h/d?sslmode=perhaps", "sslmode is invalid"},
		"PGPort":    {"not a port", "postgres://u:hunter2@h:0/d", "invalid port"},
		"PGSecret":  {"a password as a parameter", "postgres://u@h:0/d?password=hunter2", "invalid port"},
		"Duplicate": {"half a parameter", "s3://bucket?region=%zz", "the parameters cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := state.Open(tc.url, state.Options{})
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, want one line with %q", tc.reason, err, tc.want)
			}
		})
	}
}

// TestURL: the stock CLI gets what it understands.
func TestURL(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a b")
	for at, want := range map[string]string{
		(&url.URL{Scheme: "file", Path: dir}).String(): (&url.URL{Scheme: "file", Path: dir}).String(),
		"s3://b":                                                 "s3://b",
		"s3://b/x/y/?region=r&profile=p":                         "s3://b/x/y?profile=p&region=r",
		"s3://b?endpoint=h:9000&awssdk=v2":                       "s3://b?endpoint=https%3A%2F%2Fh%3A9000&s3ForcePathStyle=true",
		"s3://b?endpoint=h&disableSSL=true":                      "s3://b?disableSSL=true&endpoint=http%3A%2F%2Fh&s3ForcePathStyle=true",
		"s3://b?endpoint=https%3A%2F%2Fh&s3ForcePathStyle=false": "s3://b?endpoint=https%3A%2F%2Fh",
		"postgresql://u:p%40@h:5433/d?sslmode=disable":           "postgres://u:p%40@h:5433/d?search_path=plattr_state&sslmode=disable",
	} {
		d, err := state.Open(at, state.Options{})
		if err != nil {
			t.Errorf("%s: %v", at, err)
			continue
		}
		if got := d.URL(); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
	d, err := state.Open("postgres://u:p%40ss%2F@h/d", state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{d.URL(), "p@ss/", "dial p%40ss%2F"} {
		if got := d.Hide(text); strings.Contains(got, "ss") && strings.Contains(got, "p") && strings.Contains(got, "@ss") ||
			strings.Contains(got, "%40ss") {
			t.Errorf("hidden: %s", got)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, s := range []string{
		"s3://b/p?region=r&endpoint=http://h:1", "postgres://u:hunter2@h:1/d?sslmode=disable", "postgres://u:hunter2@h,i/d",
		"s3://b?endpoint=%00", "postgres://%zz", "x://u:hunter2@h", "s3://u:hunter2@b", "postgresql://u:hunter2@h/d?port=x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, at string) {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(at)), "file") {
			return // would make directories
		}
		d, err := state.Open(at, state.Options{})
		if err != nil {
			if u, parse := url.Parse(at); parse == nil && u.User != nil {
				if p, ok := u.User.Password(); ok && len(p) > 5 && strings.Contains(err.Error(), p) && !strings.Contains(u.Host+u.Path+u.Scheme, p) {
					t.Errorf("%q: the error shows the password: %v", at, err)
				}
			}
			return
		}
		again, err := state.Open(strings.Replace(d.URL(), "search_path=plattr_state", "", 1), state.Options{})
		if err != nil || again.URL() != d.URL() {
			t.Errorf("%q becomes %q, which becomes %v, %v", at, d.URL(), again, err)
		}
	})
}
