package engine

import "github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

// Providers returns the providers that are served from this process.
func Providers() map[string]func() plugin.Provider {
	return map[string]func() plugin.Provider{}
}
