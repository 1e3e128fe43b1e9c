// Package names says what everything that belongs to an application is called
// in each environment: namespace, database, schema, roles, buckets, realm and
// host. It is pure: one application in one place always gets the same names,
// so a run that was killed finds again what it made.
//
// A name that would pass its service's limit is cut and ends in a hash of the
// whole name. Within an application two different things never get one name.
package names

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// The environments that plattr knows. Production is written `prod` in names.
const (
	Local      = "local"
	Preview    = "preview"
	Staging    = "staging"
	UAT        = "uat"
	Production = "production"
)

// MaxLength is the limit in bytes of a bucket's name, a DNS label and a
// PostgreSQL identifier. The three services agree on it.
const MaxLength = 63

// DefaultPrefix begins every bucket's name where the platform sets no other:
// bucket names are global on AWS.
const DefaultPrefix = "plattr"

// hashLength is the number of hexadecimal digits that a cut name ends in.
const hashLength = 10

// Environments returns all environments, from the laptop to production.
func Environments() []string {
	return []string{Local, Preview, Staging, UAT, Production}
}

// Short returns the form of an environment's name that other names contain.
func Short(environment string) string {
	if environment == Production {
		return "prod"
	}
	return environment
}

// Target is where an application runs.
type Target struct {
	// Environment is one of the constants above.
	Environment string
	// PR is the pull request's number in the preview environment, else 0.
	PR int
	// Prefix begins the names of buckets; empty means DefaultPrefix.
	Prefix string
	// Copy names a copy of the application's data in the same place, for one run of its tests: lower-case letters and
	// digits. Database, buckets and indices have names of their own then; schema, roles and realm are the application's.
	Copy string
}

// Owner is the application, or the copy of its data, as services and other names contain it. No application's name has
// two hyphens.
func (t Target) Owner(app string) string {
	if t.Copy == "" {
		return app
	}
	return app + "--" + t.Copy
}

// Names holds the names of one application in one Target.
type Names struct {
	// Namespace is the Kubernetes namespace.
	Namespace string
	// Database is the application's own database. It is empty outside the
	// local environment: there applications share one that the platform names.
	Database string
	// Schema holds the application's tables.
	Schema string
	// MigrationsSchema holds the record of the migrations; it is not served.
	MigrationsSchema string
	// TemplateDatabase is the migrated and seeded database that a reset clones.
	TemplateDatabase string
	// ShadowDatabase is where tools such as Prisma try migrations; empty outside
	// the local environment.
	ShadowDatabase string
	// AppRole owns the tables and is the application's login.
	AppRole string
	// AnonRole is what a REST request without a token runs as.
	AnonRole string
	// UserRole is what a REST request with a token of the realm runs as.
	UserRole string
	// RestRole is PostgREST's login.
	RestRole string
	// Realm is the Keycloak realm, and the user in OpenSearch where that knows users.
	Realm string
	// IndexPrefix begins the names of indices. It ends in two hyphens, which no application's name contains, so that no
	// prefix is the beginning of another's.
	IndexPrefix string
	// StorageUser is the IAM user that holds the application's key, where keys
	// are used.
	StorageUser string

	bucketPrefix string
}

// New returns the names of an application. schemaName is `database.schemaName`;
// empty means the application's name with `_` for `-`. Names come out right for
// names that the rules of plattr.yaml allow; others are not checked here.
func New(app, schemaName string, t Target) Names {
	if schemaName == "" {
		schemaName = strings.ReplaceAll(app, "-", "_")
	}
	n := Names{
		Namespace:    cut(namespace(app, t), "", '-'),
		Realm:        cut(realm(app, t), "", '-'),
		StorageUser:  cut(strings.TrimSuffix(bucketPrefix(t.Owner(app), t), "-"), "", '-'),
		IndexPrefix:  realm(t.Owner(app), t) + "--",
		bucketPrefix: bucketPrefix(t.Owner(app), t),
	}
	full := schema(schemaName, t)
	n.Schema = cut(full, "", '_')
	n.MigrationsSchema = cut(full, "_migrations", '_')
	n.TemplateDatabase = cut(full, "_tpl", '_')
	n.AppRole = cut(full, "_app", '_')
	n.AnonRole = cut(full, "_anon", '_')
	n.UserRole = cut(full, "_user", '_')
	n.RestRole = cut(full, "_rest", '_')
	if t.Environment == Local {
		// Named after the schema, not after the application: with a schemaName
		// of one's own, only then it cannot meet the template's name.
		n.Database = n.Schema
		n.ShadowDatabase = cut(full, "_shadow", '_')
		if t.Copy != "" {
			n.Database = cut(full, "_copy_"+t.Copy, '_')
		}
	}
	return n
}

// Bucket returns the name on the server of a bucket that plattr.yaml calls
// bucket.
func (n Names) Bucket(bucket string) string {
	return cut(n.bucketPrefix+bucket, "", '-')
}

// Host returns the host name that serves the application's users.
func Host(app string, t Target, baseDomain string) string {
	label := cut(app, "", '-')
	switch t.Environment {
	case Local:
		return "localhost"
	case Production:
		return label + "." + baseDomain
	case Preview:
		return "pr-" + strconv.Itoa(t.PR) + "." + label + ".preview." + baseDomain
	default:
		return label + "." + Short(t.Environment) + "." + baseDomain
	}
}

// BucketVariable returns the environment variable in which the application
// finds a bucket's name on the server: S3_BUCKET_UPLOADS for `uploads`.
func BucketVariable(bucket string) string {
	return "S3_BUCKET_" + strings.ToUpper(strings.ReplaceAll(bucket, "-", "_"))
}

func namespace(app string, t Target) string {
	switch t.Environment {
	case Local:
		return "plattr-local"
	case Preview:
		return "preview-" + app + "-pr-" + strconv.Itoa(t.PR)
	default:
		return Short(t.Environment)
	}
}

func realm(app string, t Target) string {
	if t.Environment == Preview {
		return app + "-pr" + strconv.Itoa(t.PR)
	}
	return app + "-" + Short(t.Environment)
}

func schema(schemaName string, t Target) string {
	switch t.Environment {
	case Local:
		return schemaName
	case Preview:
		return schemaName + "_pr" + strconv.Itoa(t.PR)
	default:
		return Short(t.Environment) + "_" + schemaName
	}
}

// bucketPrefix ends in `-`, so that neither a pull request's number nor an
// application's name can run into the bucket's.
func bucketPrefix(app string, t Target) string {
	prefix := t.Prefix
	if prefix == "" {
		prefix = DefaultPrefix
	}
	prefix += "-" + Short(t.Environment) + "-" + app
	if t.Environment == Preview {
		prefix += "-pr" + strconv.Itoa(t.PR)
	}
	return prefix + "-"
}

// cut returns stem+suffix, or, where that is longer than MaxLength, as much of
// the stem as fits, a hash of the whole name and the suffix. The suffix stays,
// so that roles differ by more than their hashes.
//
// A name of exactly MaxLength that looks as if it were cut is given a hash too:
// nobody can choose a name that is another one's cut form.
func cut(stem, suffix string, separator byte) string {
	whole := stem + suffix
	if len(whole) < MaxLength || len(whole) == MaxLength && !looksCut(stem, separator) {
		return whole
	}
	sum := sha256.Sum256([]byte(whole))
	hash := hex.EncodeToString(sum[:])[:hashLength]
	keep := min(MaxLength-len(suffix)-hashLength-1, len(stem))
	return stem[:keep] + string(separator) + hash + suffix
}

// looksCut reports whether the stem ends in a separator and a hash.
func looksCut(stem string, separator byte) bool {
	at := len(stem) - hashLength - 1
	if at < 0 || stem[at] != separator {
		return false
	}
	return strings.Trim(stem[at+1:], "0123456789abcdef") == ""
}
