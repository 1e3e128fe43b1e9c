package deploy

import (
	"cmp"
	"slices"

	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/operator/api/v1alpha1"
	"plattr.dev/plattr/stacks/application"
)

// compile says what the program of an application is in an environment, and what of it is left out. It is pure: the same
// arguments always give the same program.
func compile(app Application, p Platform, passwordGeneration string) (application.Config, []string, error) {
	c := application.Config{App: app.Name}
	n := NamesOf(app, p.Target)
	all := servers(p)
	if app.Spec.DatabaseEnabled() {
		c.PostgreSQL = all.PostgreSQL
		c.Database = compileDatabase(app.Spec.Database, n, p.Database, passwordGeneration)
		if p.Database.Shadow {
			c.ShadowDatabase = n.ShadowDatabase
		}
	}
	if app.Spec.StorageEnabled() {
		c.S3 = all.S3
		c.Storage = compileStorage(app, n, p)
	}
	if app.Spec.RedisEnabled() && p.Redis.Image != "" {
		c.Cluster, c.Place, c.OwnRedis = all.Cluster, place(app, n, p), p.Redis.Image
	} else if app.Spec.RedisEnabled() {
		c.RedisAdminURL = all.RedisAdminURL
		c.Redis = &application.Redis{
			Host: p.Redis.Host, Port: p.Redis.Port, TLS: p.Redis.TLS, User: app.Name, OwnServer: p.Redis.Own,
		}
	}
	if app.Spec.SearchEnabled() && p.Search.Image != "" {
		c.Cluster, c.Place, c.OwnSearch, c.SearchPrefix = all.Cluster, place(app, n, p), p.Search.Image, n.IndexPrefix
	} else if app.Spec.SearchEnabled() {
		c.SearchAdminURL = all.SearchAdminURL
		c.Search = &application.Search{URL: p.Search.URL, Prefix: n.IndexPrefix}
		if p.Search.Admin.User != "" {
			c.Search.User = n.Realm
		}
	}
	if app.Release.Image != "" {
		c.Cluster = all.Cluster
		c.Workload = compileWorkload(app.asItRuns(), n, p)
	}
	if !app.Spec.AuthEnabled() {
		return c, nil, nil
	}
	c.Keycloak = all.Keycloak
	var warnings []string
	var err error
	c.Auth, warnings, err = compileAuth(app, n, p)
	return c, warnings, err
}

// NamesOf returns the names of what an application gets in an environment.
func NamesOf(app Application, t names.Target) names.Names {
	schema := ""
	if app.Spec.Database != nil {
		schema = app.Spec.Database.SchemaName
	}
	return names.New(app.Name, schema, t)
}

// servers are those of the platform, for every part that an application may have.
func servers(p Platform) application.Servers {
	return application.Servers{
		PostgreSQL: postgreSQL(p.Database),
		S3: application.S3{
			Endpoint: p.Storage.Endpoint, PublicEndpoint: p.Storage.PublicEndpoint, IAMEndpoint: p.Storage.IAMEndpoint,
			Region:    p.Storage.Region,
			AccessKey: p.Storage.Admin.User, SecretKey: p.Storage.Admin.Secret,
		},
		Keycloak: application.Keycloak{
			URL: cmp.Or(p.Auth.InternalURL, p.Auth.URL), Client: p.Auth.Admin.User, Secret: p.Auth.Admin.Secret,
		},
		RedisAdminURL:  p.Redis.AdminURL(),
		SearchAdminURL: p.Search.AdminURL(),
		Cluster:        application.Cluster{Kubeconfig: p.Cluster.Kubeconfig, Context: p.Cluster.Context},
	}
}

func postgreSQL(s DatabaseServer) application.PostgreSQL {
	return application.PostgreSQL{
		Host: s.Host, Port: s.Port, SSLMode: s.TLS,
		AdminUser: s.Admin.User, AdminPassword: s.Admin.Secret,
		BootstrapURL: s.BootstrapURL,
	}
}

func compileDatabase(
	spec *v1alpha1.DatabaseSpec, n names.Names, s DatabaseServer, generation string,
) *application.Database {
	d := &application.Database{
		Host: s.Host, Port: s.Port, SSLMode: s.TLS,
		SchemaInURL:   spec.Migrations.Engine == v1alpha1.EnginePrisma,
		Administrator: s.Admin.User,
		Database:      s.Database,
		Bootstrap:     s.BootstrapURL != "",
		Schema:        n.Schema, MigrationsSchema: n.MigrationsSchema, AppRole: n.AppRole,
		Extensions:      spec.Extensions,
		InitialPassword: s.InitialPassword, PasswordGeneration: generation,
	}
	if s.Database == "" {
		d.Database, d.OwnDatabase = n.Database, true
	}
	if spec.Rest.Enabled {
		d.REST = &application.REST{
			AnonRole: n.AnonRole, UserRole: n.UserRole, LoginRole: n.RestRole,
			Anonymous: application.Anonymous(spec.Rest.AnonAccess),
		}
	}
	return d
}

func compileStorage(app Application, n names.Names, p Platform) *application.Storage {
	can := func(c Capability) bool { return slices.Contains(p.Storage.Capabilities, c) }
	st := &application.Storage{Capabilities: application.Capabilities{
		PublicAccessBlock: can(CapabilityPublicAccessBlock),
		Encryption:        can(CapabilityEncryption),
		OwnershipControls: can(CapabilityOwnershipControls),
	}}
	// Elsewhere a bucket that leaves plattr.yaml must not take its objects along.
	st.ForceDestroy = p.Target.Environment == names.Local || p.Target.Environment == names.Preview
	for _, b := range app.Spec.Storage.Buckets {
		st.Buckets = append(st.Buckets, application.Bucket{Name: b.Name, BucketName: n.Bucket(b.Name), Public: b.Public})
	}
	if can(CapabilityUsers) {
		st.User = n.StorageUser
	}
	return st
}
