// Package v1alpha1 holds what an application asks of the platform: the one
// vocabulary of plattr.yaml, the stacks and the operator. The types are plain
// data; their defaults and rules live with those who read them.
package v1alpha1

// ApplicationSpec is the application's part of plattr.yaml. A nil section is
// one that the application did not ask for.
type ApplicationSpec struct {
	Database  *DatabaseSpec     `json:"database,omitempty" yaml:"database,omitempty"`
	Storage   *StorageSpec      `json:"storage,omitempty" yaml:"storage,omitempty"`
	Auth      *AuthSpec         `json:"auth,omitempty" yaml:"auth,omitempty"`
	Redis     *RedisSpec        `json:"redis,omitempty" yaml:"redis,omitempty"`
	Search    *SearchSpec       `json:"search,omitempty" yaml:"search,omitempty"`
	Scaling   ScalingSpec       `json:"scaling" yaml:"scaling"`
	Health    HealthSpec        `json:"health" yaml:"health"`
	Resources ResourcesSpec     `json:"resources" yaml:"resources"`
	Env       map[string]string `json:"env,omitempty" yaml:"env,omitempty"`
}

// DatabaseEnabled reports whether the application has a database.
func (s *ApplicationSpec) DatabaseEnabled() bool { return s.Database != nil && s.Database.Enabled }

// RestEnabled reports whether the database is served over REST.
func (s *ApplicationSpec) RestEnabled() bool { return s.DatabaseEnabled() && s.Database.Rest.Enabled }

// StorageEnabled reports whether the application has object storage.
func (s *ApplicationSpec) StorageEnabled() bool { return s.Storage != nil && s.Storage.Enabled }

// AuthEnabled reports whether the application has sign-in.
func (s *ApplicationSpec) AuthEnabled() bool { return s.Auth != nil && s.Auth.Enabled }

// RedisEnabled reports whether the application has Redis.
func (s *ApplicationSpec) RedisEnabled() bool { return s.Redis != nil && s.Redis.Enabled }

// SearchEnabled reports whether the application has OpenSearch.
func (s *ApplicationSpec) SearchEnabled() bool { return s.Search != nil && s.Search.Enabled }

// DatabaseSpec asks for a PostgreSQL schema with roles of its own.
type DatabaseSpec struct {
	Enabled bool `json:"enabled" yaml:"enabled"`
	// SchemaName defaults to the application's name with `_` for `-`.
	SchemaName string         `json:"schemaName,omitempty" yaml:"schemaName,omitempty"`
	Migrations MigrationsSpec `json:"migrations" yaml:"migrations"`
	// Seed is the directory of the seeds, relative to the project.
	Seed       string   `json:"seed,omitempty" yaml:"seed,omitempty"`
	Extensions []string `json:"extensions,omitempty" yaml:"extensions,omitempty"`
	Rest       RestSpec `json:"rest" yaml:"rest"`
}

// MigrationEngine is the tool that applies an application's migrations.
type MigrationEngine string

// The migration engines.
const (
	EnginePrisma MigrationEngine = "prisma"
	EngineKnex   MigrationEngine = "knex"
	EngineRaw    MigrationEngine = "raw"
	EngineRails  MigrationEngine = "rails"
	EngineGoose  MigrationEngine = "goose"
)

// MigrationRun says who applies migrations in a cluster.
type MigrationRun string

// A Job applies migrations before the rollout, or the image does at its start.
const (
	RunJob     MigrationRun = "job"
	RunStartup MigrationRun = "startup"
)

// MigrationsSpec says how the schema gets its tables.
type MigrationsSpec struct {
	// Engine is empty where neither the file names one nor the project shows it.
	Engine MigrationEngine `json:"engine,omitempty" yaml:"engine,omitempty"`
	// Path is the directory of the migrations, relative to the project.
	Path string       `json:"path,omitempty" yaml:"path,omitempty"`
	Run  MigrationRun `json:"run,omitempty" yaml:"run,omitempty"`
}

// AnonAccess is what REST requests without a token may do on the tables.
type AnonAccess string

// The degrees of access without a token.
const (
	AnonNone  AnonAccess = "none"
	AnonRead  AnonAccess = "read"
	AnonWrite AnonAccess = "write"
)

// RestSpec asks for a REST API over the schema (PostgREST).
type RestSpec struct {
	Enabled    bool       `json:"enabled" yaml:"enabled"`
	AnonAccess AnonAccess `json:"anonAccess,omitempty" yaml:"anonAccess,omitempty"`
}

// StorageSpec asks for buckets.
type StorageSpec struct {
	Enabled bool         `json:"enabled" yaml:"enabled"`
	Buckets []BucketSpec `json:"buckets,omitempty" yaml:"buckets,omitempty"`
}

// BucketSpec is one bucket.
type BucketSpec struct {
	// Name is the application's name for it; names.Names.Bucket gives the server's.
	Name string `json:"name" yaml:"name"`
	// Public lets everyone read objects.
	Public bool `json:"public,omitempty" yaml:"public,omitempty"`
	// MaxFileSize is a size as ParseSize reads it; empty means no limit.
	MaxFileSize string `json:"maxFileSize,omitempty" yaml:"maxFileSize,omitempty"`
}

// AuthSpec asks for sign-in: a realm, a client and identity providers.
type AuthSpec struct {
	Enabled   bool           `json:"enabled" yaml:"enabled"`
	Providers []ProviderSpec `json:"providers,omitempty" yaml:"providers,omitempty"`
	// RedirectPaths are the paths of the application that sign-in returns to.
	RedirectPaths []string `json:"redirectPaths,omitempty" yaml:"redirectPaths,omitempty"`
}

// ProviderType is the kind of an identity provider.
type ProviderType string

// The kinds of identity providers.
const (
	ProviderGoogle ProviderType = "google"
	ProviderGitHub ProviderType = "github"
	ProviderSAML   ProviderType = "saml"
	ProviderOIDC   ProviderType = "oidc"
)

// ProviderSpec is one identity provider. In plattr.yaml the type alone may
// stand for it; the name is then the type.
type ProviderSpec struct {
	Name string       `json:"name" yaml:"name"`
	Type ProviderType `json:"type" yaml:"type"`
	// Issuer is the issuer's URL (OpenID Connect only).
	Issuer string `json:"issuer,omitempty" yaml:"issuer,omitempty"`
	// MetadataURL is where the provider describes itself (OpenID Connect, SAML).
	MetadataURL string `json:"metadataURL,omitempty" yaml:"metadataURL,omitempty"`
}

// MarshalYAML returns the short form where it says everything: saml and oidc
// without an address have no other in plattr.yaml.
func (p ProviderSpec) MarshalYAML() (any, error) {
	if p.Name == string(p.Type) && p.Issuer == "" && p.MetadataURL == "" {
		return p.Name, nil
	}
	type plain ProviderSpec
	return plain(p), nil
}

// RedisSpec asks for Redis.
type RedisSpec struct {
	Enabled bool `json:"enabled" yaml:"enabled"`
}

// SearchSpec asks for OpenSearch.
type SearchSpec struct {
	Enabled bool `json:"enabled" yaml:"enabled"`
}

// ScalingSpec bounds the number of replicas. In an override 0 means unchanged.
type ScalingSpec struct {
	Min int `json:"min,omitempty" yaml:"min,omitempty"`
	Max int `json:"max,omitempty" yaml:"max,omitempty"`
	// TargetCPU is the use of the requested CPU, in percent, at which replicas
	// are added.
	TargetCPU int `json:"targetCPU,omitempty" yaml:"targetCPU,omitempty"`
}

// HealthSpec says how to ask whether the application is well.
type HealthSpec struct {
	Path string `json:"path,omitempty" yaml:"path,omitempty"`
	// Port is the port that the container listens on.
	Port int `json:"port,omitempty" yaml:"port,omitempty"`
}

// ResourcesSpec holds the requests of the application's container, in the
// notation of Kubernetes; the memory is its limit too. In an override an empty
// value means unchanged.
type ResourcesSpec struct {
	CPU    string `json:"cpu,omitempty" yaml:"cpu,omitempty"`
	Memory string `json:"memory,omitempty" yaml:"memory,omitempty"`
}
