package cluster

// State is how a part of the application is.
type State string

// The states of a part.
const (
	PartReady   State = "ready"
	PartWaiting State = "waiting"
	PartFailed  State = "failed"
	PartAbsent  State = "absent"
	// PartUnreachable has a server that does not answer from here: how it is for the application is not known.
	PartUnreachable State = "unreachable"
	// PartUnknown was not asked, or did not let itself be asked.
	PartUnknown State = "unknown"
)

// The names of the parts in a cluster.
const (
	PartWorkload   = "Workload"
	PartMigrations = "Migrations"
	PartIngress    = "Ingress"
)

// The names of the parts on servers.
const (
	PartDatabase = "Database"
	PartStorage  = "Storage"
	PartAuth     = "Auth"
	PartRedis    = "Redis"
	PartSearch   = "Search"
)

// Part is one part of an application. Its field names under -o json are an interface.
type Part struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Detail says what it is, in a few words.
	Detail string `json:"detail,omitempty"`
	// Why is one line that says why it is not ready, in the user's words.
	Why string `json:"why,omitempty"`
	// Evidence are the last lines of what went wrong, ten at most.
	Evidence []string `json:"evidence,omitempty"`

	// What the part's server says of it; nil where it was not asked, and in parts of another name.
	Database *Database `json:"database,omitempty"`
	Storage  *Storage  `json:"storage,omitempty"`
	Auth     *Auth     `json:"auth,omitempty"`
	Redis    *Redis    `json:"redis,omitempty"`
	Search   *Search   `json:"search,omitempty"`
}

// Database is an application's place in PostgreSQL.
type Database struct {
	Schema string `json:"schema"`
	// Head is the last migration that ran whole, as its tool records it; Migrations counts those.
	Head       string `json:"head,omitempty"`
	Migrations int    `json:"migrations"`
}

// Storage is an application's buckets.
type Storage struct {
	Buckets []Bucket `json:"buckets"`
}

// Bucket is one of them.
type Bucket struct {
	// Name is plattr.yaml's, Bucket the server's.
	Name   string `json:"name"`
	Bucket string `json:"bucket"`
	// Objects are those that were counted, without versions before the current one; Bytes is their size.
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// More says that there are more than were counted.
	More bool `json:"more,omitempty"`
	// Missing says that there is no such bucket.
	Missing bool `json:"missing,omitempty"`
}

// Auth is an application's realm in Keycloak.
type Auth struct {
	Realm string `json:"realm"`
	// Providers are the identity providers that people can choose from.
	Providers []string `json:"providers"`
}

// Redis is an application's Redis.
type Redis struct {
	// Own is an instance beside the application's pods.
	Own bool `json:"own"`
	// Address is host:port of another one.
	Address string `json:"address,omitempty"`
}

// Search is an application's place in OpenSearch.
type Search struct {
	// Own is an instance beside the application's pods.
	Own bool `json:"own"`
	// Prefix begins the names of its indices.
	Prefix string `json:"prefix"`
	// Health is the cluster's: green, yellow or red. It is empty where it may not be asked.
	Health    string `json:"health,omitempty"`
	Indices   int    `json:"indices"`
	Documents int64  `json:"documents"`
	Bytes     int64  `json:"bytes"`
}
