package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// API asks the cluster's API server. That it is ours and nobody else's on the same port is in the certificates.
type API struct {
	client *http.Client
	base   string
}

// errNoCluster is the error of a cluster that was not made.
var errNoCluster = errors.New("there is no cluster")

// API returns a client of the cluster. Nothing is asked.
func (c *Cluster) API() (*API, error) {
	raw, err := os.ReadFile(c.KubeconfigPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoCluster
	}
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.KubeconfigPath(), err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.KubeconfigPath(), err)
	}
	return &API{client, strings.TrimSuffix(config.Host, "/")}, nil
}

// Ready asks whether the API server does its work.
func (a *API) Ready(ctx context.Context) error {
	body, err := a.Stream(ctx, "/readyz", nil)
	if err != nil {
		return err
	}
	return body.Close()
}

// Get reads an object or a list.
func (a *API) Get(ctx context.Context, path string, query url.Values, into any) error {
	body, err := a.Stream(ctx, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("ask the cluster for %s: %w", path, err)
	}
	return nil
}

// Stream asks for what is not one document. The caller closes it.
func (a *API) Stream(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	u := a.base + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the cluster: %w", err)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the cluster: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return nil, &StatusError{Path: path, Code: resp.StatusCode, Said: strings.TrimSpace(string(said))}
	}
	return resp.Body, nil
}

// StatusError is an answer that is no success.
type StatusError struct {
	Path, Said string
	Code       int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("ask the cluster for %s: %d %s", e.Path, e.Code, e.Said)
}
