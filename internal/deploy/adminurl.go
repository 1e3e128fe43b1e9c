package deploy

import (
	"cmp"
	"net"
	"net/url"
	"strconv"
)

// AdminURL logs in to a database of the server as its administrator: it holds the password.
func (s DatabaseServer) AdminURL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(s.Admin.User, s.Admin.Secret),
		Host: net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), Path: "/" + database,
		RawQuery: url.Values{"sslmode": {cmp.Or(s.TLS, "prefer")}}.Encode(),
	}
	return u.String()
}

// AdminURL logs in to the server as its administrator: it holds the password. It is empty where each application has an
// instance of its own.
func (s RedisServer) AdminURL() string {
	if s.Host == "" {
		return ""
	}
	scheme := "redis"
	if s.TLS {
		scheme = "rediss"
	}
	return withCredentials(scheme+"://"+net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), s.Admin)
}

// AdminURL logs in to the server as its administrator, where it knows users: then it holds the password. It is empty where
// each application has an instance of its own.
func (s SearchServer) AdminURL() string { return withCredentials(s.URL, s.Admin) }

// withCredentials puts a user and a password into a URL.
func withCredentials(address string, c Credentials) string {
	u, err := url.Parse(address)
	if err != nil || c.User == "" {
		return address
	}
	u.User = url.UserPassword(c.User, c.Secret)
	return u.String()
}
