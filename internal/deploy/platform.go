// Package deploy is the one use case: an application and a platform become a program, the engine runs it, and the
// result says what is there now. The CLI, the operator and the local target call nothing else.
package deploy

import (
	"strconv"

	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/operator/api/v1alpha1"
	"plattr.dev/plattr/stacks/application"
)

// Application is what is deployed: a name and what it asks for.
type Application struct {
	Name string
	Spec v1alpha1.ApplicationSpec
	// URL is where its users reach it, without a slash at the end; sign-in returns there.
	URL string
	// AlsoAt are other addresses at which the same application runs, as a laptop's beside its cluster.
	AlsoAt []string
	// InBrowser says that all of it runs in the browser: then it can keep no secret.
	InBrowser bool
	// Repository is where its sources are; two with one name and different repositories are two applications. Empty: nobody knows.
	Repository string
	// Release is what runs in a cluster; the zero value makes only what the application has on servers.
	Release Release
	// Host is where the cluster serves it.
	Host string
	// UserEnv are variables that its people set outside of plattr.yaml; any may be a secret.
	UserEnv map[string]string

	// running is what the release was made of, where a run leaves it as it is.
	running *v1alpha1.ApplicationSpec
}

// Platform is where it goes: the servers of one environment, and the credentials to manage them.
type Platform struct {
	// Target says which environment this is; names follow from it.
	Target names.Target
	// Database is the PostgreSQL server of the environment.
	Database DatabaseServer
	// Storage is its S3 endpoint.
	Storage StorageServer
	// Auth is its Keycloak.
	Auth AuthServer
	// Redis is the application's own.
	Redis RedisServer
	// Search is its OpenSearch.
	Search SearchServer
	// Cluster is where the application itself runs.
	Cluster Cluster
}

// Cluster is a Kubernetes cluster, and what plattr needs to know of it.
type Cluster struct {
	// Kubeconfig is a path or the content of one; empty means the machine's own. Context is one of it.
	Kubeconfig, Context string
	// Namespace is the environment's; empty means what names say.
	Namespace string
	Ingress   application.Ingress
	// Services are where the environment's servers are: the pods may talk to them.
	Services []application.Peer
	// Inside are the servers as pods reach them, host:port by that at which plattr does, where the two differ.
	Inside map[string]string
	// PlattrImage and RestImage are those of plattr itself and of PostgREST.
	PlattrImage, RestImage string
}

// AuthServer is a Keycloak and who may manage it.
type AuthServer struct {
	// URL is its address as browsers see it, InternalURL the one from where the application and plattr run.
	URL, InternalURL string
	// Admin is a client with a service account that may manage every realm, and its secret.
	Admin Credentials
	// Providers are the credentials of identity providers, by name.
	Providers map[string]Credentials
	// Lenient leaves out an identity provider without credentials, with a warning; else it is an error.
	Lenient bool
	// DemoUser is the name of a user to try sign-in with; empty: none. With one, passwords can be exchanged for tokens.
	DemoUser string
}

// RedisServer is a Redis that is the application's alone.
type RedisServer struct {
	Host string
	Port int
	TLS  bool
	// Admin may make users.
	Admin Credentials
	// Own says that the server goes when the application does.
	Own bool
	// Image makes an instance in the cluster for each application, beside its pods; the fields above are empty then.
	Image string
}

// SearchServer is an OpenSearch.
type SearchServer struct {
	// URL is its address, without credentials.
	URL string
	// Admin may make users; empty where the server runs no security plugin.
	Admin Credentials
	// Image makes an instance in the cluster for each application, beside its pods; the fields above are empty then.
	Image string
}

// DatabaseServer is a PostgreSQL server and who may manage it.
type DatabaseServer struct {
	Host string
	Port int
	// Database is the one that all applications of the environment share; empty where each has its own.
	Database string
	// Admin has CREATEROLE and CREATEDB; it need not be a superuser.
	Admin Credentials
	// BootstrapURL logs in as somebody who may create event triggers: a superuser, or the RDS master. It is a secret;
	// empty means that the databases are bootstrapped already.
	BootstrapURL string
	// TLS is libpq's sslmode.
	TLS string
	// Shadow makes an empty database beside each application's own, for tools that try migrations.
	Shadow bool
	// InitialPassword is what roles get until the first rotation; empty means a random one from the start.
	// Only for servers that listen on loopback.
	InitialPassword string
}

// StorageServer is an S3 endpoint and what it is capable of.
type StorageServer struct {
	// Endpoint and IAMEndpoint are the URLs of S3 and of IAM; empty means AWS itself.
	Endpoint, IAMEndpoint string
	// PublicEndpoint is the URL that a browser uses; empty means the same.
	PublicEndpoint string
	Region         string
	Admin          Credentials
	// Capabilities are what the endpoint can do beyond buckets, CORS, policies and versions.
	Capabilities []Capability
}

// Capability is a feature that not every S3 endpoint has.
type Capability string

// The capabilities. AWS has all of them; versitygw 1.8 has users and ownership controls.
const (
	CapabilityUsers             Capability = "users"
	CapabilityOwnershipControls Capability = "ownershipControls"
	CapabilityPublicAccessBlock Capability = "publicAccessBlock"
	CapabilityEncryption        Capability = "encryption"
)

// Credentials are a user and its password, or an access key and its secret.
type Credentials struct{ User, Secret string }

// StackName is the name of the stack that holds an application in a target.
func StackName(app string, t names.Target) string {
	switch {
	case t.Copy != "":
		return "copy-" + t.Owner(app)
	case t.Environment == names.Preview:
		return "preview-" + app + "-pr" + strconv.Itoa(t.PR)
	}
	return names.Short(t.Environment) + "-" + app
}
