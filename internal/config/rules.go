package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

// rule says what one field means and what it allows. The decoder enforces it
// and the JSON Schema describes it.
type rule struct {
	doc      string
	required bool
	// enum lists the only values.
	enum []string
	// pattern is the form, in the syntax that RE2 and ECMAScript share; words
	// says it in words.
	pattern, words string
	// not lists forms that are refused although pattern allows them.
	not       []refusal
	maxLength int
	// min and max bound a number; both 0 means no bounds.
	min, max int
	// number admits a number where text is meant: `cpu: 1`.
	number bool
	// keys are the only names of a map's entries; keyNoun says what they are.
	keys    []string
	keyNoun string
	// keyPattern is the form of those names where they are free; without either they are names of variables.
	keyPattern, keyWords string
	// hidden keeps the value out of messages: it may be a secret that should not be there.
	hidden bool
	// check is for what patterns cannot say.
	check func(string) error
}

type refusal struct{ pattern, why string }

// Limits that the rules name.
const (
	maxNameLength   = 40
	maxBucketLength = names.MaxLength
	maxReplicas     = 1000
	maxPort         = 65535
	maxPathLength   = 1024
)

const (
	namePattern       = `^[a-z]([a-z0-9-]*[a-z0-9])?$`
	identifierPattern = `^[a-z]([a-z0-9_]*[a-z0-9])?$`
	bucketPattern     = `^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	hostPattern       = `^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`
	urlPattern        = `^https?://[^\s/?#]+([/?][^\s#]*)?$`
	pathPattern       = `^/([A-Za-z0-9._~!$&'()*+,;=:@%-][A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?$`
	cpuPattern        = `^([1-9][0-9]{0,6}m|[1-9][0-9]{0,3}(\.[0-9]{1,3})?|0\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9]))$`
	memoryPattern     = `^([1-9][0-9]{0,6}(\.[0-9]{1,3})?(Mi|Gi|M|G)|[1-9][0-9]{0,3}(Ti|T)|[1-9][0-9]{3,9}(Ki|k)|[1-9][0-9]{6,14})$`
	variablePattern   = `^[A-Za-z_][A-Za-z0-9_]*$`
	extensionPattern  = `^[a-z][a-z0-9_-]*$`
)

// pathWords says what a path on the application's host is.
const pathWords = "a path such as /auth/callback, with one `/` at its beginning and no blanks"

// rules returns the rule of every field, under the Go type that holds it and
// the name in the file. `[]` stands for an element of a list.
func rules() map[string]rule {
	all := map[string]rule{}
	for _, part := range []map[string]rule{appRules(), databaseRules(), storageRules(), authRules(), runRules(), platformRules()} {
		maps.Copy(all, part)
	}
	return all
}

func appRules() map[string]rule {
	return map[string]rule{
		"App.name": {
			doc:      "Names the application and everything that belongs to it.",
			required: true, pattern: namePattern, maxLength: maxNameLength, not: refusedNames("-"),
			words: "lower-case letters, digits and `-`, beginning with a letter, not ending in `-`, at most 40 characters",
		},
		"App.framework": {
			doc:  "How the application is built and tested. Detected in the project if left out.",
			enum: frameworks(),
		},
		"App.database":                   {doc: "A PostgreSQL schema with roles of its own."},
		"App.storage":                    {doc: "Buckets for files, in S3 or what speaks its protocol."},
		"App.auth":                       {doc: "Sign-in for users: a Keycloak realm and client."},
		"App.redis":                      {doc: "A Redis of the application's own."},
		"App.search":                     {doc: "OpenSearch."},
		"App.scaling":                    {doc: "How many replicas run. One on the laptop, one or two in previews."},
		"App.health":                     {doc: "How to ask whether the application is well."},
		"App.resources":                  {doc: "What the container asks for; the memory is its limit too."},
		"App.env":                        {doc: "Plain values for every environment. Secrets do not belong here: use `plattr env set`."},
		"App.environments":               {doc: "What single environments change.", keys: names.Environments(), keyNoun: "environment"},
		"App.preview":                    {doc: "Previews of pull requests."},
		"App.local":                      {doc: "The laptop only."},
		"EnvironmentOverrides.scaling":   {doc: "Replaces the bounds that it names."},
		"EnvironmentOverrides.resources": {doc: "Replaces the requests that it names."},
		"EnvironmentOverrides.env":       {doc: "Values that are added to `env`, or replace them."},
		"EnvironmentOverrides.domain": {
			doc:     "The host name that serves the application, instead of the one under the platform's domain.",
			pattern: hostPattern, maxLength: 253, words: "a host name such as shop.example.com, in lower case",
		},
		"PreviewSpec.ttl": {
			doc:     "How long a preview lives: minutes, hours or days.",
			pattern: v1alpha1.DurationPattern, not: []refusal{{`^$`, "is empty"}},
			words: "a duration such as 5m, 72h or 3d",
			check: durationOK,
		},
		"PreviewSpec.seed": directory("Directory of the seeds that a preview gets. None if left out."),
		"LocalSpec.port":   {doc: "The port that the application listens on on the laptop.", min: 1, max: maxPort},
		"LocalSpec.env":    {doc: "Values on the laptop only; they win over all others."},
	}
}

func databaseRules() map[string]rule {
	on := "Whether the application has a database."
	return map[string]rule{
		"DatabaseSpec.enabled": {doc: on},
		"DatabaseSpec.schemaName": {
			doc:     "The schema's name, if it shall not be the application's with `_` for `-`.",
			pattern: identifierPattern, maxLength: maxNameLength, not: refusedNames("_"),
			words: "lower-case letters, digits and `_`, beginning with a letter, not ending in `_`, at most 40 characters",
		},
		"DatabaseSpec.migrations": {doc: "How the schema gets its tables."},
		"MigrationsSpec.engine": {
			doc:  "What applies the migrations. Detected in the project if left out.",
			enum: []string{"prisma", "knex", "raw", "rails", "goose"},
		},
		"MigrationsSpec.path": directory("Directory of the migrations."),
		"MigrationsSpec.run": {
			doc:  "Who applies migrations in a cluster: a job before the rollout, or the image when it starts.",
			enum: []string{"job", "startup"},
		},
		"DatabaseSpec.seed":       directory("Directory of the seeds."),
		"DatabaseSpec.extensions": {doc: "PostgreSQL extensions that the application uses."},
		"DatabaseSpec.extensions[]": {
			pattern: extensionPattern, maxLength: names.MaxLength,
			words: "the name of a PostgreSQL extension such as pg_trgm or uuid-ossp",
		},
		"DatabaseSpec.rest": {doc: "The automatic REST API over the schema (PostgREST)."},
		"RestSpec.enabled":  {doc: "Whether there is a REST API."},
		"RestSpec.anonAccess": {
			doc:  "What requests without a token may do on the tables, those of later migrations included.",
			enum: []string{"none", "read", "write"},
		},
	}
}

func storageRules() map[string]rule {
	return map[string]rule{
		"StorageSpec.enabled": {doc: "Whether the application has object storage."},
		"StorageSpec.buckets": {doc: "The buckets. The application finds the name of each in S3_BUCKET_<NAME>."},
		"BucketSpec.name": {
			doc:      "The bucket's name within the application.",
			required: true, pattern: bucketPattern, maxLength: maxBucketLength,
			not: []refusal{
				{`-(s3alias|-ol-s3|-x-s3|-table-s3)$`, "ends in what S3 keeps for itself"},
			},
			words: "lower-case letters, digits and `-`, beginning and ending with a letter or digit, at most 63 characters",
		},
		"BucketSpec.public": {doc: "Whether everyone may read the objects."},
		"BucketSpec.maxFileSize": {
			doc:     "The largest object, as in 500kB, 50MB or 10MiB, for whoever signs uploads: S3 has no such limit for a bucket.",
			pattern: v1alpha1.SizePattern, number: true, words: "a size such as 500kB, 50MB or 10MiB",
			check: sizeOK,
		},
	}
}

func authRules() map[string]rule {
	types := []string{"google", "github", "saml", "oidc"}
	return map[string]rule{
		"AuthSpec.enabled":   {doc: "Whether the application has sign-in."},
		"AuthSpec.providers": {doc: "Where users come from: google, github, saml, oidc, or one with a name of its own."},
		"AuthSpec.providers[]": {
			enum: types,
		},
		"ProviderSpec.name": {
			doc:      "The provider's name; its credentials come from PLATTR_IDP_<NAME>_CLIENT_ID and _SECRET.",
			required: true, pattern: namePattern, maxLength: maxNameLength,
			words: "lower-case letters, digits and `-`, beginning with a letter, not ending in `-`, at most 40 characters",
		},
		"ProviderSpec.type": {doc: "What the provider speaks.", required: true, enum: types},
		"ProviderSpec.issuer": {
			doc: "The issuer's URL (oidc).", pattern: urlPattern, check: checkURL,
			words: "a URL such as https://login.example.com",
		},
		"ProviderSpec.metadataURL": {
			doc: "Where the provider describes itself (saml, oidc).", pattern: urlPattern, check: checkURL,
			words: "a URL such as https://login.example.com/metadata",
		},
		"AuthSpec.redirectPaths": {doc: "Paths of the application that sign-in returns to. Follows from the framework."},
		"AuthSpec.redirectPaths[]": {
			pattern: pathPattern, not: []refusal{
				{`\*`, "holds `*`: Keycloak compares redirect paths exactly"},
				{`(^|/)\.\.?(/|$)`, "holds `.` or `..` as a folder: write where it leads"},
			},
			maxLength: maxPathLength, words: pathWords,
		},
	}
}

func runRules() map[string]rule {
	return map[string]rule{
		"RedisSpec.enabled":     {doc: "Whether the application has Redis."},
		"SearchSpec.enabled":    {doc: "Whether the application has OpenSearch."},
		"ScalingSpec.min":       {doc: "The fewest replicas.", min: 1, max: maxReplicas},
		"ScalingSpec.max":       {doc: "The most replicas; not less than `min`.", min: 1, max: maxReplicas},
		"ScalingSpec.targetCPU": {doc: "The use of the requested CPU, in percent, at which replicas are added.", min: 1, max: 100},
		"HealthSpec.path": {
			doc: "The path that answers 200 when the application is well.", pattern: pathPattern,
			maxLength: maxPathLength, words: pathWords,
		},
		"HealthSpec.port": {doc: "The port that the container listens on.", min: 1, max: maxPort},
		"ResourcesSpec.cpu": {
			doc: "CPU: 100m is a tenth of a core.", pattern: cpuPattern, number: true,
			words: "an amount of CPU such as 100m, 0.5 or 2",
		},
		"ResourcesSpec.memory": {
			doc: "Memory, a megabyte at least.", pattern: memoryPattern, number: true,
			words: "an amount of memory such as 256Mi or 1Gi",
		},
	}
}

func frameworks() []string {
	return []string{string(NextJS), string(Rails), string(Static), string(Docker), string(Go)}
}

// refusedNames returns the names that plattr or the services keep; separator
// is the character between words.
func refusedNames(separator string) []refusal {
	reserved := []string{
		"public", "postgres", "plattr", "extensions", "information" + separator + "schema",
		"template0", "template1",
	}
	environments := append(names.Environments(), names.Short(names.Production))
	return []refusal{
		{`^(` + strings.Join(reserved, "|") + `)$`, "is reserved"},
		{`^pg` + separator, "is reserved: PostgreSQL keeps names that begin with `pg" + separator + "`"},
		{separator + separator, "holds `" + separator + separator + "`: write one"},
		{`^(` + strings.Join(environments, "|") + `)` + separator, "begins with the name of an environment"},
		{separator + `pr[0-9]+$`, "ends like the name of a preview (`" + separator + "pr` and digits)"},
	}
}

// directory is the rule of a directory in the project.
func directory(doc string) rule {
	return rule{
		doc: doc + " Relative to the project.", maxLength: maxPathLength,
		pattern: `^[^/\\][^\\]*$`, not: []refusal{{`(^|/)\.\.(/|$)`, "leads out of the project"}},
		words: "a directory in the project such as ./seeds", check: checkDirectory,
	}
}

func checkDirectory(s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("holds control characters")
	}
	if path.Clean(s) == ".." || strings.HasPrefix(path.Clean(s), "../") {
		return errors.New("leads out of the project")
	}
	return nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("is not a URL such as https://login.example.com")
	}
	return nil
}

// text checks a value against the rule.
func (r rule) text(s string) error {
	shown := shorten(s)
	if r.hidden {
		shown = "the value"
	}
	if len(r.enum) > 0 {
		return r.choice(s)
	}
	if r.maxLength > 0 && len([]rune(s)) > r.maxLength {
		return fmt.Errorf("%s has %d characters, %d are allowed", shown, len([]rune(s)), r.maxLength)
	}
	if r.pattern != "" && !regexp.MustCompile(r.pattern).MatchString(s) {
		return fmt.Errorf("%s is not valid: write %s", shown, r.words)
	}
	for _, n := range r.not {
		if regexp.MustCompile(n.pattern).MatchString(s) {
			return fmt.Errorf("%s %s", shown, n.why)
		}
	}
	if r.check != nil {
		if err := r.check(s); err != nil {
			return fmt.Errorf("%s %w", shown, err)
		}
	}
	return nil
}

func (r rule) choice(s string) error {
	if slices.Contains(r.enum, s) {
		return nil
	}
	if near := closest(s, r.enum); near != "" {
		return fmt.Errorf("%s is not one of %s; did you mean %q?", shorten(s), list(r.enum), near)
	}
	return fmt.Errorf("%s is not one of %s", shorten(s), list(r.enum))
}

// bounds checks a number against the rule.
func (r rule) bounds(n int) error {
	if r.max > 0 && (n < r.min || n > r.max) {
		return fmt.Errorf("%d is out of range: write %d to %d", n, r.min, r.max)
	}
	return nil
}

func sizeOK(s string) error {
	if _, err := v1alpha1.ParseSize(s); err != nil {
		return errors.New("is too large")
	}
	return nil
}

func durationOK(s string) error {
	if _, err := v1alpha1.ParseDuration(s); err != nil {
		return errors.New("is longer than a year")
	}
	return nil
}
