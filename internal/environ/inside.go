package environ

import "net/url"

// Inside returns the connections as pods of a cluster use them: at maps host:port of a server as plattr reaches it to that as
// pods do. What a browser uses, and what tokens say, stays.
func (c Connections) Inside(at map[string]string) Connections {
	for _, u := range []*string{
		&c.DatabaseURL, &c.RestURL, &c.ShadowURL, &c.S3Endpoint, &c.AuthInternalURL, &c.RedisURL, &c.SearchURL,
	} {
		*u = Inside(*u, at)
	}
	return c
}

// Inside returns a URL with the host and port that pods use, if at has them for its own.
func Inside(address string, at map[string]string) string {
	if len(at) == 0 {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	host, known := at[u.Host]
	if !known {
		return address
	}
	u.Host = host
	return u.String()
}
