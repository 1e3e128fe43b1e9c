package config

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// YAML returns the App with defaults and, after For, overrides applied. What
// Parse returned can be parsed again; what For returned also says for which
// environment it holds. encoding/json gives the same facts under the same names.
func (a *App) YAML() ([]byte, error) {
	return encode(a)
}

// encode writes a value as YAML in the indentation that plattr uses.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(value); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return b.Bytes(), nil
}
