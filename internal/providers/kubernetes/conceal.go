package kubernetes

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/kubeapi"
)

// masked stands for a secret in a text.
const masked = "[secret]"

// secretsIn are the strings in properties that are secret, as they are and as the API writes them, the longest first.
// What is shorter than four characters is left: it would mask half of every message, and says nothing.
func secretsIn(props ...resource.PropertyMap) []string {
	var out []string
	var walk func(v resource.PropertyValue, secret bool)
	walk = func(v resource.PropertyValue, secret bool) {
		switch {
		case v.IsSecret():
			walk(v.SecretValue().Element, true)
		case v.IsOutput():
			walk(v.OutputValue().Element, secret || v.OutputValue().Secret)
		case v.IsObject():
			for _, e := range v.ObjectValue() {
				walk(e, secret)
			}
		case v.IsArray():
			for _, e := range v.ArrayValue() {
				walk(e, secret)
			}
		case v.IsString() && secret && len(v.StringValue()) >= 4:
			s := v.StringValue()
			out = append(out, s, base64.StdEncoding.EncodeToString([]byte(s)))
			if plain, err := base64.StdEncoding.DecodeString(s); err == nil && len(plain) >= 4 {
				out = append(out, string(plain))
			}
		}
	}
	for _, p := range props {
		walk(resource.NewObjectProperty(p), false)
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

func conceal(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, masked)
	}
	return text
}

// concealed is an error whose text holds none of the secrets.
func concealed(err error, secrets []string) error {
	if err == nil || len(secrets) == 0 {
		return err
	}
	if init, ok := err.(*plugin.InitError); ok { //nolint:errorlint // the engine asks for the type itself
		out := &plugin.InitError{}
		for _, r := range init.Reasons {
			out.Reasons = append(out.Reasons, conceal(r, secrets))
		}
		return out
	}
	line := conceal(err.Error(), secrets)
	if line == err.Error() {
		return err
	}
	if errors.As(err, new(*ForeignError)) {
		return err // names alone
	}
	return &kubeapi.Error{Line: line}
}
