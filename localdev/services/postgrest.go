package services

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"plattr.dev/plattr/localdev/ports"
)

// PostgREST's configuration lies in a file, because it holds a password
// (https://postgrest.org/en/v12/references/configuration.html). Its keys are the settings of the spec.
func preparePostgREST(ctx context.Context, p Place, s Spec) (Command, error) {
	config := map[string]string{
		"server-host":       quoteValue(ports.Host),
		"server-port":       strconv.Itoa(s.Ports[ports.PostgREST]),
		"admin-server-port": strconv.Itoa(s.Ports[ports.PostgRESTAdmin]),
		"db-pool":           "10",
		// A plan that was made for a user may hold a function's body, and would then run for requests without a token, too.
		"db-prepared-statements": "false",
		"log-level":              quoteValue("warn"),
	}
	if url := s.Settings[SettingKeys]; url != "" {
		if err := prepareKeys(ctx, p, url); err != nil {
			return Command{}, fmt.Errorf("keep the keys of the realm: %w", err)
		}
		config["jwt-secret"] = quoteValue("@" + keysFile(p))
	}
	for k, v := range s.Settings {
		if k == SettingKeys {
			continue
		}
		if strings.ContainsAny(k, "= \t\n\"#") || k == "" {
			return Command{}, fmt.Errorf("PostgREST has no setting %q", k)
		}
		config[k] = quoteValue(v)
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(config)) {
		fmt.Fprintf(&b, "%s = %s\n", k, config[k])
	}
	file := filepath.Join(p.Dir, "postgrest.conf")
	if err := writeIfChanged(file, []byte(b.String())); err != nil {
		return Command{}, fmt.Errorf("write PostgREST's configuration: %w", err)
	}
	return Command{Path: s.Program, Args: []string{file}, Env: cleanEnv(p.Dir), Dir: p.Dir}, nil
}

// quoteValue writes a string of PostgREST's configuration language (configurator-pg), in which $(NAME) would be a variable
// of the environment.
func quoteValue(v string) string {
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "$", "$$")
	return `"` + r.Replace(v) + `"`
}

// readyPostgREST asks the admin server, which says ready when the connection and the schema cache are there.
func readyPostgREST(ctx context.Context, _ Place, s Spec) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Address(ports.PostgRESTAdmin)+"/ready", nil)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	return expectOK(req)
}

// expectOK sends a request on a connection of its own: the service may be another one the next time.
func expectOK(req *http.Request) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("the server answers %s %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}
