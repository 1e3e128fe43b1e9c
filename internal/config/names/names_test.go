package names_test

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/quick"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plattr.dev/plattr/internal/config/names"
)

func TestNew(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason     string
		app        string
		schemaName string
		target     names.Target
		want       names.Names
		bucket     string
		host       string
	}{
		"Local": {
			reason: "On the laptop names are short: the app has a database of its own.",
			app:    "my-app", target: names.Target{Environment: names.Local},
			want: names.Names{
				Namespace: "plattr-local", Database: "my_app", Schema: "my_app", ShadowDatabase: "my_app_shadow",
				MigrationsSchema: "my_app_migrations", TemplateDatabase: "my_app_tpl",
				AppRole: "my_app_app", AnonRole: "my_app_anon", UserRole: "my_app_user", RestRole: "my_app_rest",
				Realm: "my-app-local", IndexPrefix: "my-app-local--", StorageUser: "plattr-local-my-app",
			},
			bucket: "plattr-local-my-app-uploads", host: "localhost",
		},
		"Staging": {
			reason: "In a shared environment its name comes first.",
			app:    "my-app", target: names.Target{Environment: names.Staging},
			want: names.Names{
				Namespace: "staging", Schema: "staging_my_app",
				MigrationsSchema: "staging_my_app_migrations", TemplateDatabase: "staging_my_app_tpl",
				AppRole: "staging_my_app_app", AnonRole: "staging_my_app_anon",
				UserRole: "staging_my_app_user", RestRole: "staging_my_app_rest",
				Realm: "my-app-staging", IndexPrefix: "my-app-staging--", StorageUser: "plattr-staging-my-app",
			},
			bucket: "plattr-staging-my-app-uploads", host: "my-app.staging.example.dev",
		},
		"Production": {
			reason: "Production is prod in names and absent from the host.",
			app:    "my-app", target: names.Target{Environment: names.Production, Prefix: "acme"},
			want: names.Names{
				Namespace: "prod", Schema: "prod_my_app",
				MigrationsSchema: "prod_my_app_migrations", TemplateDatabase: "prod_my_app_tpl",
				AppRole: "prod_my_app_app", AnonRole: "prod_my_app_anon",
				UserRole: "prod_my_app_user", RestRole: "prod_my_app_rest",
				Realm: "my-app-prod", IndexPrefix: "my-app-prod--", StorageUser: "acme-prod-my-app",
			},
			bucket: "acme-prod-my-app-uploads", host: "my-app.example.dev",
		},
		"Preview": {
			reason: "A preview's names carry the pull request's number.",
			app:    "my-app", target: names.Target{Environment: names.Preview, PR: 42},
			want: names.Names{
				Namespace: "preview-my-app-pr-42", Schema: "my_app_pr42",
				MigrationsSchema: "my_app_pr42_migrations", TemplateDatabase: "my_app_pr42_tpl",
				AppRole: "my_app_pr42_app", AnonRole: "my_app_pr42_anon",
				UserRole: "my_app_pr42_user", RestRole: "my_app_pr42_rest",
				Realm: "my-app-pr42", IndexPrefix: "my-app-pr42--", StorageUser: "plattr-preview-my-app-pr42",
			},
			bucket: "plattr-preview-my-app-pr42-uploads", host: "pr-42.my-app.preview.example.dev",
		},
		"Copy": {
			reason: "A copy for tests shares schema, roles and realm, and nothing else.",
			app:    "my-app", target: names.Target{Environment: names.Local, Copy: "3fa2"},
			want: names.Names{
				Namespace: "plattr-local", Database: "my_app_copy_3fa2", Schema: "my_app", ShadowDatabase: "my_app_shadow",
				MigrationsSchema: "my_app_migrations", TemplateDatabase: "my_app_tpl",
				AppRole: "my_app_app", AnonRole: "my_app_anon", UserRole: "my_app_user", RestRole: "my_app_rest",
				Realm: "my-app-local", IndexPrefix: "my-app--3fa2-local--", StorageUser: "plattr-local-my-app--3fa2",
			},
			bucket: "plattr-local-my-app--3fa2-uploads", host: "localhost",
		},
		"SchemaName": {
			reason: "A schema name of one's own replaces the app's name in PostgreSQL only.",
			app:    "shop-tpl", schemaName: "shop", target: names.Target{Environment: names.Local},
			want: names.Names{
				Namespace: "plattr-local", Database: "shop", Schema: "shop", ShadowDatabase: "shop_shadow",
				MigrationsSchema: "shop_migrations", TemplateDatabase: "shop_tpl",
				AppRole: "shop_app", AnonRole: "shop_anon", UserRole: "shop_user", RestRole: "shop_rest",
				Realm: "shop-tpl-local", IndexPrefix: "shop-tpl-local--", StorageUser: "plattr-local-shop-tpl",
			},
			bucket: "plattr-local-shop-tpl-uploads", host: "localhost",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := names.New(tc.app, tc.schemaName, tc.target)
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreUnexported(names.Names{})); diff != "" {
				t.Errorf("%s\n%s", tc.reason, diff)
			}
			if got := got.Bucket("uploads"); got != tc.bucket {
				t.Errorf("%s\nBucket = %q, want %q", tc.reason, got, tc.bucket)
			}
			if got := names.Host(tc.app, tc.target, "example.dev"); got != tc.host {
				t.Errorf("%s\nHost = %q, want %q", tc.reason, got, tc.host)
			}
		})
	}
}

func TestBucketVariable(t *testing.T) {
	t.Parallel()
	if got := names.BucketVariable("user-uploads2"); got != "S3_BUCKET_USER_UPLOADS2" {
		t.Errorf("BucketVariable = %q", got)
	}
}

func TestBucketCut(t *testing.T) {
	t.Parallel()
	n := names.New("my-app", "", names.Target{Environment: names.Local})
	stem := "plattr-local-my-app-"
	fits := strings.Repeat("b", names.MaxLength-len(stem))
	if got := n.Bucket(fits); got != stem+fits {
		t.Errorf("a name of exactly %d was changed to %q", names.MaxLength, got)
	}
	cut := n.Bucket(fits + "x")
	if len(cut) != names.MaxLength || cut == n.Bucket(fits+"y") {
		t.Errorf("cut names: %q and %q", cut, n.Bucket(fits+"y"))
	}
	// A bucket that the user names like the cut form of another one.
	if forged := n.Bucket(strings.TrimPrefix(cut, stem)); forged == cut {
		t.Errorf("two buckets are called %q", cut)
	}
}

// label draws a name that plattr.yaml allows, long ones more often than a
// uniform choice would.
func label(r *rand.Rand, separator string, limit int) string {
	n := 1 + r.IntN(limit)
	if r.IntN(2) == 0 {
		n = limit
	}
	var b strings.Builder
	for b.Len() < n {
		switch {
		case b.Len() == 0:
			b.WriteByte("abcxyz"[r.IntN(6)])
		case b.Len() < n-1 && r.IntN(6) == 0 && !strings.HasSuffix(b.String(), separator):
			b.WriteString(separator)
		default:
			b.WriteByte("abp019"[r.IntN(6)])
		}
	}
	return b.String()
}

// claims records who has a name; a name is unique within its kind (a schema may
// be called like a role).
type claims map[string]string

func (c claims) take(t *testing.T, kind, name, owner string) {
	t.Helper()
	key := kind + " " + name
	if before, taken := c[key]; taken && before != owner {
		t.Fatalf("%s is both %s and %s", key, before, owner)
	}
	c[key] = owner
}

// takePrefix claims a prefix of index names: none may be the beginning of another's.
func (c claims) takePrefix(t *testing.T, prefix, owner string) {
	t.Helper()
	c.take(t, "index", prefix, owner)
	for key, other := range c {
		have, isPrefix := strings.CutPrefix(key, "index ")
		if isPrefix && other != owner && (strings.HasPrefix(have, prefix) || strings.HasPrefix(prefix, have)) {
			t.Fatalf("index prefixes %s of %s and %s of %s meet", prefix, owner, have, other)
		}
	}
}

// takeAll claims every name of an app in a target, checking its form.
func (c claims) takeAll(t *testing.T, app, schemaName string, target names.Target, buckets []string) {
	t.Helper()
	n := names.New(app, schemaName, target)
	where := app + " " + schemaName + " " + target.Environment
	if target.PR != 0 {
		where += " " + n.Realm
	}
	for _, id := range []struct{ kind, name, owner string }{
		{"schema", n.Schema, "tables"},
		{"schema", n.MigrationsSchema, "migrations"},
		{"database", n.Database, "own"},
		{"database", n.TemplateDatabase, "template"},
		{"role", n.AppRole, "app"},
		{"role", n.AnonRole, "anon"},
		{"role", n.UserRole, "user"},
		{"role", n.RestRole, "rest"},
	} {
		if id.name == "" {
			continue
		}
		if !identifier.MatchString(id.name) {
			t.Fatalf("%s of %s: %q is no identifier", id.kind, where, id.name)
		}
		c.take(t, id.kind, id.name, id.owner+" of "+where)
	}
	c.take(t, "realm", n.Realm, where)
	c.takePrefix(t, n.IndexPrefix, where)
	for _, b := range buckets {
		bucket := n.Bucket(b)
		if !bucketName.MatchString(bucket) {
			t.Fatalf("bucket %s of %s: %q is no bucket name", b, where, bucket)
		}
		c.take(t, "bucket", bucket, b+" of "+where)
	}
	if !dnsLabel.MatchString(n.Namespace) {
		t.Fatalf("namespace of %s: %q is no DNS label", where, n.Namespace)
	}
}

var (
	identifier = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	dnsLabel   = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

func TestNamesOfAnAppAreDistinct(t *testing.T) {
	t.Parallel()
	property := func(seed uint64, large int64) bool {
		r := rand.New(rand.NewPCG(seed, 1))
		app, schemaName := label(r, "-", 40), ""
		if r.IntN(2) == 0 {
			schemaName = label(r, "_", 40)
		}
		buckets := make([]string, 0, 12)
		for range 8 {
			buckets = append(buckets, label(r, "-", 63))
		}
		// Buckets that differ in their last letter only, after the cut.
		same := strings.Repeat("a", 62)
		buckets = append(buckets, same+"a", same+"b", "4-a", "a")
		c := claims{}
		for _, env := range []string{names.Local, names.Staging, names.UAT, names.Production} {
			c.takeAll(t, app, schemaName, names.Target{Environment: env}, buckets)
		}
		pr := int(large & (1<<62 - 1))
		for _, n := range []int{4, 42, 424, 1 + pr} {
			c.takeAll(t, app, schemaName, names.Target{Environment: names.Preview, PR: n}, buckets)
		}
		return true
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}

func FuzzNames(f *testing.F) {
	f.Add("my-app", "", "uploads", "invoices", 42)
	f.Add("a", "b", "4-x", "x", 4)
	f.Add(strings.Repeat("a", 40), strings.Repeat("b_", 19)+"c", strings.Repeat("d", 63), strings.Repeat("d", 62)+"e", 1<<40)
	valid := regexp.MustCompile(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)
	bucket := regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	f.Fuzz(func(t *testing.T, app, schemaName, first, second string, pr int) {
		if !valid.MatchString(app) || !bucket.MatchString(first) || !bucket.MatchString(second) || pr < 1 {
			t.Skip("not a name that plattr.yaml allows")
		}
		if schemaName != "" && !valid.MatchString(strings.ReplaceAll(schemaName, "_", "-")) ||
			strings.Contains(schemaName, "-") {
			t.Skip("not a schema name")
		}
		c := claims{}
		for _, env := range names.Environments() {
			target := names.Target{Environment: env}
			if env == names.Preview {
				target.PR = pr
			}
			c.takeAll(t, app, schemaName, target, []string{first, second})
		}
	})
}
