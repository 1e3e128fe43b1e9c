package s3

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/smithy-go/middleware"
)

type resultMetadata = middleware.Metadata

// location is what an s3:// URL says.
type location struct {
	bucket string
	prefix string // with a slash at its end, or empty

	region, endpoint, profile string
	pathStyle                 bool
}

// The parameters are those that the stock CLI knows.
const (
	paramRegion    = "region"
	paramEndpoint  = "endpoint"
	paramProfile   = "profile"
	paramPathStyle = "s3ForcePathStyle"
	paramPlain     = "disableSSL"
	paramSDK       = "awssdk"
)

// parse reads s3://bucket/prefix?region=..&endpoint=..&profile=..&s3ForcePathStyle=..&disableSSL=.. . With an endpoint
// buckets go into the path, unless the URL says otherwise: few servers have names for them.
func parse(u *url.URL) (location, error) {
	at := location{bucket: u.Host}
	fail := func(format string, args ...any) (location, error) {
		return location{}, fmt.Errorf("state URL %s: "+format, append([]any{u.Redacted()}, args...)...)
	}
	if u.User != nil {
		return fail("credentials do not belong into the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	if at.bucket == "" || strings.Contains(at.bucket, ":") {
		return fail("want s3://bucket/prefix?region=...&endpoint=...")
	}
	if p := strings.Trim(u.Path, "/"); p != "" {
		at.prefix = p + "/"
	}
	if slices.Contains(strings.Split(at.prefix, "/"), "..") || strings.Contains(at.prefix, "//") {
		return fail("the prefix may have no empty part and no ..")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fail("the parameters cannot be read: %v", err)
	}
	known := []string{paramRegion, paramEndpoint, paramProfile, paramPathStyle, paramPlain, paramSDK}
	for name := range query {
		if !slices.Contains(known, name) {
			return fail("there is no parameter %q, only %s", name, strings.Join(known[:len(known)-1], ", "))
		}
	}
	at.region, at.endpoint, at.profile = query.Get(paramRegion), query.Get(paramEndpoint), query.Get(paramProfile)
	plain := false
	at.pathStyle = at.endpoint != ""
	for name, target := range map[string]*bool{paramPathStyle: &at.pathStyle, paramPlain: &plain} {
		if v := query.Get(name); v != "" {
			if *target, err = strconv.ParseBool(v); err != nil {
				return fail("%s is %q, want true or false", name, v)
			}
		}
	}
	if at.endpoint, err = endpoint(at.endpoint, plain); err != nil {
		return fail("%v", err)
	}
	return at, nil
}

// endpoint gives an endpoint a scheme.
func endpoint(text string, plain bool) (string, error) {
	if text == "" {
		return "", nil
	}
	if !strings.Contains(text, "://") {
		if text = "https://" + text; plain {
			text = "http" + strings.TrimPrefix(text, "https")
		}
	}
	e, err := url.Parse(text)
	if err != nil || e.Host == "" || (e.Scheme != "http" && e.Scheme != "https") || e.User != nil || e.RawQuery != "" {
		return "", fmt.Errorf("the endpoint must be http:// or https:// and a host")
	}
	return strings.TrimSuffix(e.String(), "/"), nil
}

// stock is the URL in the form that the stock CLI reads.
func (l location) stock() string {
	query := url.Values{}
	for name, v := range map[string]string{paramRegion: l.region, paramEndpoint: l.endpoint, paramProfile: l.profile} {
		if v != "" {
			query.Set(name, v)
		}
	}
	if l.pathStyle {
		query.Set(paramPathStyle, "true")
	}
	if strings.HasPrefix(l.endpoint, "http://") {
		query.Set(paramPlain, "true")
	}
	u := url.URL{Scheme: "s3", Host: l.bucket, RawQuery: query.Encode()}
	if l.prefix != "" {
		u.Path = "/" + strings.TrimSuffix(l.prefix, "/")
	}
	return u.String()
}

// String is what messages call the place: it holds no secret.
func (l location) String() string {
	at := strings.TrimSuffix("s3://"+l.bucket+"/"+l.prefix, "/")
	if l.endpoint != "" {
		at += " at " + l.endpoint
	}
	return at
}
