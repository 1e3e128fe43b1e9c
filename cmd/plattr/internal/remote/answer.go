package remote

import (
	"context"
	"net"
	"net/http"
	"time"
)

// answerTime is how long the ingress of this machine's cluster has to hear of an application.
const answerTime = 15 * time.Second

// Answered waits until the application answers through the ingress of this machine's cluster, which hears of new pods a
// moment after they are ready; elsewhere it is true at once: whether a name leads to a cluster is not for this machine to say.
func (e *Environment) Answered(ctx context.Context) bool {
	if e.ingress == "" {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, e.ingress)
		},
	}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.App.URL+e.App.Spec.Health.Path, http.NoBody)
		if err != nil {
			return false
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
}
