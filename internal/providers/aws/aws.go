// Package aws serves the S3 and IAM types of the official Pulumi AWS plugin that an application needs, from this
// process and against any endpoint that speaks the two APIs.
//
// Tokens, inputs and outputs are those of pulumi-aws v6. What is created carries the owner mark, a tag that is sent
// with the creating request, so a killed run leaves nothing that the next run does not know as its own, and nothing
// that another stack or a person made is ever adopted, changed or removed. See [markKey] for the exact rule.
package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/providers/embedded"
)

// version is the version of the official plugin whose types are served.
const version = "6.83.0"

// New returns the provider, not yet configured.
func New() plugin.Provider {
	return embedded.New(embedded.Spec[Config, *client]{
		Package:   "aws",
		Version:   version,
		Bridged:   true,
		Configure: newClient,
		Close:     (*client).close,
		Resources: []embedded.Resource[*client]{
			bucketType(),
			corsType(),
			bucketPolicyType(),
			publicAccessBlockType(),
			versioningType(),
			encryptionType(),
			ownershipControlsType(),
			userType(),
			userPolicyType(),
			accessKeyType(),
		},
	})
}
