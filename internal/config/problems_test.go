package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/config"
)

// problemCase is a file with everything that is wrong in it. inSchema marks
// rules that the JSON Schema describes too.
type problemCase struct {
	reason, in string
	want       []string // lines without the file's name
	inSchema   bool
}

func problemCases() map[string]problemCase {
	nameWords := "write lower-case letters, digits and `-`, beginning with a letter, not ending in `-`, at most 40 characters"
	return map[string]problemCase{
		"Ux": {
			reason: "The transcript of the design.",
			in:     "name: board\nframework: nextjs\ndatabse:\n  enabled: true\nscaling:\n  min: 2\n  max: 1\n",
			want: []string{
				`3:1: databse: unknown field, did you mean "database"?`,
				`7:8: scaling.max: 1 is less than scaling.min (2)`,
			},
			// The schema knows of the first.
			inSchema: true,
		},
		"UnknownNested": {
			reason: "The path leads to the field.", inSchema: true,
			in:   head + "database:\n  rest:\n    anonacess: read\n",
			want: []string{`5:5: database.rest.anonacess: unknown field, did you mean "anonAccess"?`},
		},
		"UnknownElsewhere": {
			reason: "A field at the wrong place is told the right one.", inSchema: true,
			in:   head + "buckets: []\n",
			want: []string{`3:1: buckets: unknown field, did you mean "storage.buckets"?`},
		},
		"UnknownFar": {
			reason: "Nothing is near: the fields are listed.", inSchema: true,
			in:   head + "redis: {cluster: 3}\n",
			want: []string{`3:9: redis.cluster: unknown field: there is enabled`},
		},
		"Resolved": {
			reason: "What `config show` adds is no field of the file.", inSchema: true,
			in:   head + "domain: example.com\n",
			want: []string{`3:1: domain: unknown field: there is name, framework, database, storage, auth, redis, search, scaling, health, resources, env, environments, preview or local`},
		},
		"Duplicate": {
			reason: "The second of two keys must not win silently.",
			in:     head + "name: shop2\n",
			want:   []string{`3:1: name: is given twice, first on line 1`},
		},
		"Empty":    {reason: "An empty file.", in: "", want: []string{"1:1: the file is empty: write one with `plattr init`"}},
		"Comments": {reason: "A file of comments.", in: "# x\n", want: []string{"1:1: the file is empty: write one with `plattr init`"}},
		"List":     {reason: "Not a mapping.", in: "- name: x\n", inSchema: true, want: []string{"1:1: must be fields such as `name: my-app`, not a list"}},
		"Text":     {reason: "Not a mapping.", in: "shop\n", inSchema: true, want: []string{"1:1: must be fields such as `name: my-app`, not text"}},
		"Documents": {
			reason: "One file, one application.", in: head + "---\nname: x\n",
			want: []string{"3:1: a second document begins here: a plattr.yaml holds one application"},
		},
		"Tab": {
			reason: "A tab is invisible: it is named.", in: head + "database:\n\tenabled: true\n",
			want: []string{"4:1: a tab cannot indent YAML: use spaces"},
		},
		"Latin1":  {reason: "Not UTF-8.", in: head + "env: {A: \xe9}\n", want: []string{"3:10: this is not UTF-8 text"}},
		"Control": {reason: "An escape code would reach the terminal.", in: "name: a\x1b[31m\n", want: []string{"1:8: control character U+001B: remove it"}},
		"Alias": {
			reason: "No aliases: no bombs.", in: head + "env: &e {A: b}\nlocal:\n  env: *e\n",
			want: []string{"5:8: local.env: aliases (`*e`) are not supported: repeat the value"},
		},
		"Merge": {
			reason: "No merge keys either.", in: head + "env: &e {A: b}\nlocal:\n  env:\n    <<: *e\n",
			want: []string{"6:5: local.env: `<<` is not supported: repeat what you would merge"},
		},
		"NoName":        {reason: "Required.", in: "framework: go\n", inSchema: true, want: []string{"1:1: name: is missing: add `name:`"}},
		"NameNumber":    {reason: "Text only.", in: "name: 12\n", inSchema: true, want: []string{"1:7: name: must be text, not a number"}},
		"NameNull":      {reason: "Nothing given.", in: "name:\n", inSchema: true, want: []string{"1:6: name: has no value: give one, or remove the line"}},
		"NameCapital":   {reason: "The rule in words.", in: "name: My App\n", inSchema: true, want: []string{`1:7: name: "My App" is not valid: ` + nameWords}},
		"NameUnicode":   {reason: "ASCII only.", in: "name: süß\n", inSchema: true, want: []string{`1:7: name: "süß" is not valid: ` + nameWords}},
		"NameShell":     {reason: "Metacharacters.", in: "name: a;rm -rf $(x)\n", inSchema: true, want: []string{`1:7: name: "a;rm -rf $(x)" is not valid: ` + nameWords}},
		"NameSQL":       {reason: "Metacharacters.", in: "name: a\"; drop table x --\n", inSchema: true, want: []string{`1:7: name: "a\"; drop table x --" is not valid: ` + nameWords}},
		"NameLong":      {reason: "40 at most.", in: "name: " + strings.Repeat("a", 41) + "\n", inSchema: true, want: []string{`1:7: name: "` + strings.Repeat("a", 41) + `" has 41 characters, 40 are allowed`}},
		"NameDash":      {reason: "No --.", in: "name: a--b\n", inSchema: true, want: []string{"1:7: name: \"a--b\" holds `--`: write one"}},
		"NamePg":        {reason: "PostgreSQL's own.", in: "name: pg-x\n", inSchema: true, want: []string{"1:7: name: \"pg-x\" is reserved: PostgreSQL keeps names that begin with `pg-`"}},
		"NameReserved":  {reason: "Taken.", in: "name: information-schema\n", inSchema: true, want: []string{`1:7: name: "information-schema" is reserved`}},
		"NamePostgres":  {reason: "Taken.", in: "name: postgres\n", inSchema: true, want: []string{`1:7: name: "postgres" is reserved`}},
		"NamePublic":    {reason: "Taken.", in: "name: public\n", inSchema: true, want: []string{`1:7: name: "public" is reserved`}},
		"NamePlattr":    {reason: "Taken.", in: "name: plattr\n", inSchema: true, want: []string{`1:7: name: "plattr" is reserved`}},
		"NameExtension": {reason: "Taken.", in: "name: extensions\n", inSchema: true, want: []string{`1:7: name: "extensions" is reserved`}},
		"NameStaging":   {reason: "Would meet another app's schema.", in: "name: staging-x\n", inSchema: true, want: []string{`1:7: name: "staging-x" begins with the name of an environment`}},
		"NameProd":      {reason: "The short form too.", in: "name: prod-x\n", inSchema: true, want: []string{`1:7: name: "prod-x" begins with the name of an environment`}},
		"NamePR":        {reason: "Would meet a preview.", in: "name: x-pr42\n", inSchema: true, want: []string{"1:7: name: \"x-pr42\" ends like the name of a preview (`-pr` and digits)"}},
		"Framework":     {reason: "An enum.", in: "name: a\nframework: next\n", inSchema: true, want: []string{`2:12: framework: "next" is not one of nextjs, rails, static, docker or go; did you mean "nextjs"?`}},
		"DatabaseNull": {
			reason: "On or off?", in: head + "database:\n", inSchema: true,
			want: []string{"3:10: database: is empty: write `enabled: true` under it, or remove it"},
		},
		"DatabaseTrue":  {reason: "A section.", in: head + "database: true\n", inSchema: true, want: []string{"3:11: database: must be fields such as `enabled:`, not true or false"}},
		"EnabledYes":    {reason: "A boolean.", in: head + "redis: {enabled: 'yes'}\n", inSchema: true, want: []string{"3:18: redis.enabled: must be true or false, not text"}},
		"Schema":        {reason: "Same rules with _.", in: head + "database: {schemaName: staging_x}\n", inSchema: true, want: []string{`3:24: database.schemaName: "staging_x" begins with the name of an environment`}},
		"SchemaDash":    {reason: "Same rules with _.", in: head + "database: {schemaName: a-b}\n", inSchema: true, want: []string{"3:24: database.schemaName: \"a-b\" is not valid: write lower-case letters, digits and `_`, beginning with a letter, not ending in `_`, at most 40 characters"}},
		"Engine":        {reason: "An enum.", in: head + "database: {migrations: {engine: gose}}\n", inSchema: true, want: []string{`3:33: database.migrations.engine: "gose" is not one of prisma, knex, raw, rails or goose; did you mean "goose"?`}},
		"Run":           {reason: "An enum.", in: head + "database: {migrations: {run: never}}\n", inSchema: true, want: []string{`3:30: database.migrations.run: "never" is not one of job or startup`}},
		"PathUp":        {reason: "Out of the project.", in: head + "database: {migrations: {path: ../x}}\n", inSchema: true, want: []string{`3:31: database.migrations.path: "../x" leads out of the project`}},
		"SeedAbsolute":  {reason: "Not on another machine.", in: head + "database: {seed: /etc}\n", inSchema: true, want: []string{`3:18: database.seed: "/etc" is not valid: write a directory in the project such as ./seeds`}},
		"Extension":     {reason: "No SQL.", in: head + "database: {extensions: ['a; drop', pg_trgm, pg_trgm]}\n", inSchema: true, want: []string{`3:25: database.extensions[0]: "a; drop" is not valid: write the name of a PostgreSQL extension such as pg_trgm or uuid-ossp`, `3:45: database.extensions[2]: "pg_trgm" is given twice, first on line 3`}},
		"Anon":          {reason: "An enum.", in: head + "database: {rest: {anonAccess: all}}\n", inSchema: true, want: []string{`3:31: database.rest.anonAccess: "all" is not one of none, read or write`}},
		"BucketName":    {reason: "S3's rule.", in: head + "storage: {buckets: [{name: a_b}]}\n", inSchema: true, want: []string{"3:28: storage.buckets[0].name: \"a_b\" is not valid: write lower-case letters, digits and `-`, beginning and ending with a letter or digit, at most 63 characters"}},
		"BucketSuffix":  {reason: "S3's own.", in: head + "storage: {buckets: [{name: a-s3alias}]}\n", inSchema: true, want: []string{`3:28: storage.buckets[0].name: "a-s3alias" ends in what S3 keeps for itself`}},
		"BucketNoName":  {reason: "Required.", in: head + "storage: {buckets: [{public: true}]}\n", inSchema: true, want: []string{"3:21: storage.buckets[0].name: is missing: add `name:`"}},
		"BucketText":    {reason: "A mapping.", in: head + "storage: {buckets: [uploads]}\n", inSchema: true, want: []string{"3:21: storage.buckets[0]: must be fields such as `name:`, not text"}},
		"BucketTwice":   {reason: "One variable.", in: head + "storage:\n  buckets:\n    - name: a\n    - name: a\n", want: []string{`6:13: storage.buckets[1].name: "a" is given twice, first on line 5`}},
		"Size":          {reason: "A size.", in: head + "storage: {buckets: [{name: a, maxFileSize: 50mb}]}\n", inSchema: true, want: []string{`3:44: storage.buckets[0].maxFileSize: "50mb" is not valid: write a size such as 500kB, 50MB or 10MiB`}},
		"Provider":      {reason: "An enum.", in: head + "auth: {providers: [gogle]}\n", inSchema: true, want: []string{`3:20: auth.providers[0]: "gogle" is not one of google, github, saml or oidc; did you mean "google"?`}},
		"ProviderKeys":  {reason: "Required.", in: head + "auth: {providers: [{name: x}]}\n", inSchema: true, want: []string{"3:20: auth.providers[0].type: is missing: add `type:`"}},
		"ProviderOIDC":  {reason: "An address.", in: head + "auth: {providers: [{name: x, type: oidc}]}\n", want: []string{"3:20: auth.providers[0]: oidc needs `issuer:` or `metadataURL:`, one of them"}},
		"ProviderSAML":  {reason: "An address.", in: head + "auth: {providers: [{name: x, type: saml, issuer: 'https://a.b'}]}\n", want: []string{"3:20: auth.providers[0]: saml needs `metadataURL:`", "3:50: auth.providers[0].issuer: saml is described by metadataURL: remove the line"}},
		"ProviderFixed": {reason: "No address.", in: head + "auth: {providers: [{name: x, type: google, issuer: 'https://a.b'}]}\n", want: []string{"3:52: auth.providers[0].issuer: google has a fixed address: remove the line"}},
		"ProviderURL":   {reason: "A URL.", in: head + "auth: {providers: [{name: x, type: oidc, issuer: a.b}]}\n", inSchema: true, want: []string{`3:50: auth.providers[0].issuer: "a.b" is not valid: write a URL such as https://login.example.com`}},
		"ProviderTwice": {reason: "One name.", in: head + "auth: {providers: [google, google]}\n", want: []string{`3:28: auth.providers[1].name: "google" is given twice, first on line 3`}},
		"Redirect":      {reason: "A path.", in: head + "auth: {redirectPaths: [callback, '/x/*']}\n", inSchema: true, want: []string{"3:24: auth.redirectPaths[0]: \"callback\" is not valid: write a path such as /auth/callback, with one `/` at its beginning and no blanks", "3:34: auth.redirectPaths[1]: \"/x/*\" holds `*`: Keycloak compares redirect paths exactly"}},
		"ScalingZero":   {reason: "Nobody serves.", in: head + "scaling: {min: 0}\n", inSchema: true, want: []string{"3:16: scaling.min: 0 is out of range: write 1 to 1000"}},
		"ScalingText":   {reason: "A number; nothing follows from it.", in: head + "scaling: {min: two, max: 1}\n", inSchema: true, want: []string{"3:16: scaling.min: must be a whole number, not text"}},
		"ScalingFloat":  {reason: "A whole number.", in: head + "scaling: {min: 1.5}\n", inSchema: true, want: []string{"3:16: scaling.min: must be a whole number, not a number"}},
		"ScalingMin":    {reason: "Against the default.", in: head + "scaling: {min: 30}\n", want: []string{"3:16: scaling.min: 30 is more than scaling.max (20)"}},
		"CPU":           {reason: "A percentage.", in: head + "scaling: {targetCPU: 101}\n", inSchema: true, want: []string{"3:22: scaling.targetCPU: 101 is out of range: write 1 to 100"}},
		"HealthPath":    {reason: "A path.", in: head + "health: {path: healthz}\n", inSchema: true, want: []string{"3:16: health.path: \"healthz\" is not valid: write a path such as /auth/callback, with one `/` at its beginning and no blanks"}},
		"HealthPort":    {reason: "A port.", in: head + "health: {port: 70000}\n", inSchema: true, want: []string{"3:16: health.port: 70000 is out of range: write 1 to 65535"}},
		"HealthRest":    {reason: "Two listeners.", in: head + "health: {port: 3001}\ndatabase: {enabled: true}\n", want: []string{"3:16: health.port: 3001 is PostgREST's port in the pod: take another, or set database.rest.enabled to false"}},
		"Memory":        {reason: "256m is a quarter of a byte.", in: head + "resources: {memory: 256m}\n", inSchema: true, want: []string{`3:21: resources.memory: "256m" is not valid: write an amount of memory such as 256Mi or 1Gi`}},
		"CPUZero":       {reason: "Nothing.", in: head + "resources: {cpu: 0}\n", inSchema: true, want: []string{`3:18: resources.cpu: "0" is not valid: write an amount of CPU such as 100m, 0.5 or 2`}},
		"EnvName":       {reason: "A variable.", in: head + "env: {A-B: x}\n", inSchema: true, want: []string{"3:7: env.A-B: \"A-B\" is not the name of a variable: write letters, digits and `_`, not beginning with a digit"}},
		"EnvNull":       {reason: "Empty or forgotten?", in: head + "env: {A: }\n", inSchema: true, want: []string{`3:10: env.A: has no value: write "" for an empty one`}},
		"EnvList":       {reason: "Text; the value is not shown.", in: head + "env: {A: [secret]}\n", inSchema: true, want: []string{"3:10: env.A: must be text, not a list"}},
		"EnvNUL":        {reason: "Cannot be set.", in: head + "env: {A: \"a\\0b\"}\n", want: []string{"3:10: env.A: holds a NUL character, which no environment variable can"}},
		"EnvReserved":   {reason: "plattr's own, where the part is on.", in: head + "env: {DATABASE_URL: x, REDIS_URL: y}\ndatabase: {enabled: true}\n", want: []string{"3:7: env.DATABASE_URL: is set by plattr (database): choose another name"}},
		"EnvBucket":     {reason: "A bucket's variable.", in: head + "local: {env: {S3_BUCKET_X: x}}\nstorage: {enabled: true}\n", want: []string{"3:15: local.env.S3_BUCKET_X: is set by plattr (storage): choose another name"}},
		"EnvPlattr":     {reason: "plattr's own.", in: head + "env: {PLATTR_X: x}\n", inSchema: true, want: []string{"3:7: env.PLATTR_X: is set by plattr (its own settings): choose another name"}},
		"Environment":   {reason: "Five of them.", in: head + "environments: {prod: {}}\n", inSchema: true, want: []string{`3:16: environments.prod: unknown environment, did you mean "production"?`}},
		"OverrideField": {reason: "Not everything can differ.", in: head + "environments: {uat: {database: {}}}\n", inSchema: true, want: []string{"3:22: environments.uat.database: unknown field: there is scaling, resources, env or domain"}},
		"OverrideMax":   {reason: "Merged with the base.", in: head + "environments: {uat: {scaling: {max: 1}}}\n", want: []string{"3:37: environments.uat.scaling.max: 1 is less than environments.uat.scaling.min (2)"}},
		"Domain":        {reason: "A host.", in: head + "environments: {uat: {domain: 'https://x.y'}}\n", inSchema: true, want: []string{`3:30: environments.uat.domain: "https://x.y" is not valid: write a host name such as shop.example.com, in lower case`}},
		"DomainPreview": {reason: "Two previews, one host.", in: head + "environments: {preview: {domain: x.y}}\n", want: []string{"3:34: environments.preview.domain: preview has no domain of its own: every preview has its own host"}},
		"TTL":           {reason: "A duration.", in: head + "preview: {ttl: 3 days}\n", inSchema: true, want: []string{`3:16: preview.ttl: "3 days" is not valid: write a duration such as 5m, 72h or 3d`}},
		"TTLLong":       {reason: "A leak.", in: head + "preview: {ttl: 400d}\n", want: []string{`3:16: preview.ttl: "400d" is longer than a year`}},
		"LocalPort":     {reason: "A port.", in: head + "local: {port: '3000'}\n", inSchema: true, want: []string{"3:15: local.port: must be a whole number, not text"}},
		"Tag":           {reason: "No types of one's own.", in: "name: !go x\n", want: []string{`1:7: name: must be text, not a value with the tag "!go"`}},
		"KeyList":       {reason: "Keys are text.", in: head + "? [a]\n: b\n", want: []string{"3:3: a field's name must be text, not a list"}},
		"LongKey":       {reason: "A message stays readable.", in: head + strings.Repeat("k", 100) + ": x\n", inSchema: true, want: []string{`3:1: "` + strings.Repeat("k", 60) + `…": unknown field: there is name, framework, database, storage, auth, redis, search, scaling, health, resources, env, environments, preview or local`}},
	}
}

func TestParseProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range problemCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse("plattr.yaml", []byte(tc.in))
			var problems *config.Error
			if !errors.As(err, &problems) {
				t.Fatalf("%s\nerror %T %v", tc.reason, err, err)
			}
			var got []string
			for line := range strings.SplitSeq(err.Error(), "\n") {
				got = append(got, strings.TrimPrefix(line, "plattr.yaml:"))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n%s", tc.reason, diff)
			}
		})
	}
}

func TestParseKeepsValuesToItself(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-planted"
	for _, in := range []string{
		"env: {A-B: " + secret + "}", "env: {A: [" + secret + "]}", "env: {A: {" + secret + ": x}}",
		"env: {DATABASE_URL: " + secret + "}\ndatabase: {}", "env: {A: \"" + secret + "\\0\"}",
		"local: {env: {A: !x " + secret + "}}",
	} {
		_, err := config.Parse("plattr.yaml", []byte(head+in+"\n"))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", in, err)
		}
	}
}
