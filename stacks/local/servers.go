package local

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"plattr.dev/plattr/components/server"
	"plattr.dev/plattr/internal/kube"
)

// Server is one service as a pod.
type Server = server.Args

// The ports of the services in the cluster.
const (
	PostgreSQLPort = 5432
	S3Port         = 9000
	S3ConsolePort  = 9001
	S3IAMPort      = 9002
	KeycloakPort   = 8080
	RedisPort      = 6379
	OpenSearchPort = 9200
	DashboardsPort = 5601
	PostgRESTPort  = 3001

	postgrestAdminPort = 3002
)

// The users of the pods that keep data in a folder of the node: those of the official images, and plattr's own.
const (
	PostgreSQLUser = 999
	RedisUser      = 999
	OpenSearchUser = 1000
	S3User         = 10001

	restUser = 10001
)

// Address is host:port of a service for pods.
func Address(service string, port int) string {
	return service + "." + Namespace + ":" + strconv.Itoa(port)
}

// PostgreSQL is the database server.
type PostgreSQL struct {
	// Folder of the node has its data, of one major version.
	Folder   string
	NodePort int
	// Settings are NAME=VALUE.
	Settings []string
	// SuperPassword is that of user postgres, who only bootstraps.
	SuperPassword string
}

// S3 is the object storage.
type S3 struct {
	Folder                             string
	NodePort, IAMNodePort, WebNodePort int
	// Config is the file of plattr's S3 server; it holds the keys.
	Config string
}

// Keycloak is the sign-in server, with its data in PostgreSQL.
type Keycloak struct {
	NodePort int
	// URL is where browsers find it, and the beginning of every issuer.
	URL string
	// Database is its database in PostgreSQL, and its role there.
	Database, DatabasePassword string
	// Admin is a user, Client a client with a service account; both may do everything.
	Admin, AdminPassword, Client, ClientSecret string
	// SuperPassword is PostgreSQL's: its pod makes the database.
	SuperPassword string
}

// OpenSearch is the search server, with its dashboards.
type OpenSearch struct {
	Folder                       string
	NodePort, DashboardsNodePort int
}

// Redis is the Redis of an application, or of a copy of one.
type Redis struct {
	Name, Folder string
	NodePort     int
	// Users are the lines of its file of users that are plattr's: the rest of it is kept.
	Users string
}

// PostgREST is the PostgREST of an application, or of a copy of one.
type PostgREST struct {
	Name     string
	NodePort int
	// DatabaseURL is of the role that it logs in with, as pods reach the server.
	DatabaseURL string
	// Settings are more of PostgREST's own, by its names.
	Settings map[string]string
	// KeysURL is where the realm publishes its keys for pods; empty: there is no sign-in. Channel is what PostgREST listens to.
	KeysURL, Channel string
	// Unawaited lets the program end before it serves.
	Unawaited bool
}

// Servers are the pods of all services.
func (c Config) Servers() []*Server {
	var all []*Server
	if c.PostgreSQL != nil {
		all = append(all, c.postgresql())
	}
	if c.S3 != nil {
		all = append(all, c.s3())
	}
	if c.Keycloak != nil {
		all = append(all, c.keycloak())
	}
	if c.OpenSearch != nil {
		all = append(all, c.opensearch())
		if c.Images.Dashboards != "" {
			all = append(all, c.dashboards())
		}
	}
	for _, r := range c.Redis {
		all = append(all, c.redis(r))
	}
	for _, r := range c.PostgREST {
		all = append(all, c.postgrest(r))
	}
	return all
}

func app(name string) kube.App {
	return kube.App{Name: name, Namespace: Namespace, Environment: "local"}
}

// initdb makes the database cluster under another name first: one that has its name is whole.
const initdb = `set -eu
[ ! -d "$PGDATA" ] || exit 0
rm -rf "$PGDATA.new"
initdb -D "$PGDATA.new" -U postgres --pwfile=` + server.SecretsPath + `/superuser -A scram-sha-256 --encoding=UTF8 \
  --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8 --no-instructions
echo "host all all all scram-sha-256" >>"$PGDATA.new/pg_hba.conf"
mv "$PGDATA.new" "$PGDATA"`

func (c Config) postgresql() *Server {
	p := c.PostgreSQL
	env := map[string]string{"PGDATA": "/data/pg"}
	args := []string{"postgres"}
	for _, s := range p.Settings {
		args = append(args, "-c", s)
	}
	main := server.Container{Image: c.Images.PostgreSQL, Args: args, Env: env, CPU: "50m", Memory: "64Mi", Limit: "1Gi"}
	first := server.Container{
		Image: c.Images.PostgreSQL, Command: []string{"sh", "-c", initdb}, Env: env, CPU: "50m", Memory: "64Mi", Limit: "512Mi",
	}
	return &Server{
		App: app("postgresql"), User: PostgreSQLUser, Container: main, Init: []server.Container{first},
		Ports:   []server.Port{{Name: "postgresql", Port: PostgreSQLPort, Node: p.NodePort}},
		Secrets: map[string]string{"superuser": p.SuperPassword + "\n"},
		Volume:  &server.Volume{Folder: p.Folder, Path: "/data"}, Health: server.Health{Port: PostgreSQLPort},
	}
}

func (c Config) s3() *Server {
	s := c.S3
	return &Server{
		App: app("s3"), User: S3User,
		Container: server.Container{
			Image: c.Images.Plattr, Args: []string{"serve-s3", server.SecretsPath + "/s3.json"},
			Env: map[string]string{"GOMEMLIMIT": "96MiB", "GOGC": "50"}, CPU: "20m", Memory: "48Mi", Limit: "512Mi",
		},
		Ports: []server.Port{
			{Name: "s3", Port: S3Port, Node: s.NodePort},
			{Name: "console", Port: S3ConsolePort, Node: s.WebNodePort},
			{Name: "iam", Port: S3IAMPort, Node: s.IAMNodePort},
		},
		Secrets: map[string]string{"s3.json": s.Config},
		Volume:  &server.Volume{Folder: s.Folder, Path: "/data"}, Scratch: []string{"/tmp"}, Health: server.Health{Port: S3Port},
	}
}

// javaOptions of Keycloak want a fast start and little memory, as those of the processes on a laptop.
const javaOptions = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError -Xms64m -Xmx320m " +
	"-XX:MetaspaceSize=96M -XX:MaxMetaspaceSize=256m -Djava.security.egd=file:/dev/urandom"

// keycloak's pod makes its database first, when PostgreSQL answers.
func (c Config) keycloak() *Server {
	k := c.Keycloak
	database := Address("postgresql", PostgreSQLPort)
	return &Server{
		App: app("keycloak"),
		Container: server.Container{
			Image: c.Images.Keycloak,
			Args: []string{
				"start", "--db=postgres", "--http-enabled=true", "--http-port=" + strconv.Itoa(KeycloakPort), "--hostname=" + k.URL,
				"--hostname-backchannel-dynamic=true", "--cache=local", "--log-level=warn", "--log-console-color=false",
			},
			Env: map[string]string{
				"KC_DB_URL": "jdbc:postgresql://" + database + "/" + k.Database, "KC_DB_USERNAME": k.Database,
				"KC_DB_POOL_MAX_SIZE": "10", "KC_DB_POOL_INITIAL_SIZE": "1",
				"KC_BOOTSTRAP_ADMIN_USERNAME": k.Admin, "KC_BOOTSTRAP_ADMIN_CLIENT_ID": k.Client, "JAVA_OPTS": javaOptions,
			},
			SecretEnv: map[string]string{
				"KC_DB_PASSWORD": "database", "KC_BOOTSTRAP_ADMIN_PASSWORD": "admin", "KC_BOOTSTRAP_ADMIN_CLIENT_SECRET": "client",
			},
			CPU: "100m", Memory: "256Mi", Limit: "1Gi",
		},
		Init: []server.Container{{
			// Its image is fetched while the database starts.
			Image: c.Images.Keycloak, Command: []string{"bash", "-c", "true"}, CPU: "10m", Memory: "16Mi", Limit: "64Mi",
		}, {
			Image: c.Images.Plattr, Args: []string{"pod", "database", "--name", k.Database},
			SecretEnv: map[string]string{"PLATTR_ADMIN_URL": "superuser", "PLATTR_ROLE_PASSWORD": "database"},
			CPU:       "10m", Memory: "32Mi", Limit: "128Mi",
		}},
		Ports: []server.Port{{Name: "http", Port: KeycloakPort, Node: k.NodePort}},
		Secrets: map[string]string{
			"database": k.DatabasePassword, "admin": k.AdminPassword, "client": k.ClientSecret,
			"superuser": "postgres://postgres:" + k.SuperPassword + "@" + database + "/postgres?sslmode=disable",
		},
		Health: server.Health{Path: "/realms/master", Port: KeycloakPort},
	}
}

// opensearch runs without the security plugin: whoever reaches it may do everything.
func (c Config) opensearch() *Server {
	o := c.OpenSearch
	return &Server{
		App: app("opensearch"), User: OpenSearchUser,
		Container: server.Container{
			Image: c.Images.OpenSearch,
			Env: map[string]string{
				"discovery.type": "single-node", "cluster.name": "plattr", "node.name": "plattr",
				// A laptop's disk is often nearly full; indices must not become read-only before it is.
				"cluster.routing.allocation.disk.threshold_enabled": "false",
				"DISABLE_SECURITY_PLUGIN":                           "true", "DISABLE_INSTALL_DEMO_CONFIG": "true",
				"OPENSEARCH_JAVA_OPTS": "-Xms256m -Xmx256m -XX:TieredStopAtLevel=1",
			},
			CPU: "100m", Memory: "320Mi", Limit: "1Gi",
		},
		Ports:  []server.Port{{Name: "http", Port: OpenSearchPort, Node: o.NodePort}},
		Volume: &server.Volume{Folder: o.Folder, Path: "/usr/share/opensearch/data"},
		Health: server.Health{Path: "/_cluster/health?wait_for_status=yellow&timeout=1s", Port: OpenSearchPort},
	}
}

func (c Config) dashboards() *Server {
	return &Server{
		App: app("dashboards"),
		Container: server.Container{
			Image: c.Images.Dashboards,
			Env: map[string]string{
				"OPENSEARCH_HOSTS":                   `["http://` + Address("opensearch", OpenSearchPort) + `"]`,
				"DISABLE_SECURITY_DASHBOARDS_PLUGIN": "true",
			},
			CPU: "50m", Memory: "256Mi", Limit: "1Gi",
		},
		Ports:  []server.Port{{Name: "http", Port: DashboardsPort, Node: c.OpenSearch.DashboardsNodePort}},
		Health: server.Health{Path: "/api/status", Port: DashboardsPort},
	}
}

// redisUsers gives the administrator the password of now, and leaves the other users as Redis saved them.
const redisUsers = `set -eu
{ cat ` + server.SecretsPath + `/users.acl; [ ! -f users.acl ] || grep -vE '^user (default|plattr) ' users.acl || true; } >users.acl.new
mv users.acl.new users.acl`

// redisConfig keeps every write in the append-only file before it is answered, so that a killed server forgets nothing.
const redisConfig = `bind 0.0.0.0
port 6379
dir /data
aclfile /data/users.acl
appendonly yes
appendfsync everysec
save ""
auto-aof-rewrite-min-size 16mb
loglevel warning
`

func (c Config) redis(r Redis) *Server {
	return &Server{
		App: app(r.Name), User: RedisUser,
		Container: server.Container{
			Image: c.Images.Redis, Args: []string{"redis-server", server.SecretsPath + "/redis.conf"},
			CPU: "10m", Memory: "16Mi", Limit: "512Mi",
		},
		Init: []server.Container{{
			Image: c.Images.Redis, Command: []string{"sh", "-c", "cd /data; " + redisUsers}, CPU: "10m", Memory: "16Mi", Limit: "64Mi",
		}},
		Ports:   []server.Port{{Name: "redis", Port: RedisPort, Node: r.NodePort}},
		Secrets: map[string]string{"redis.conf": redisConfig, "users.acl": r.Users},
		Volume:  &server.Volume{Folder: r.Folder, Path: "/data"}, Health: server.Health{Port: RedisPort},
	}
}

const keysFolder = "/keys"

// postgrest has beside it, where there is sign-in, what keeps the keys of the realm up to date: PostgREST 12 reads them from a
// file only (https://postgrest.org/en/v12/references/configuration.html).
func (c Config) postgrest(r PostgREST) *Server {
	env := map[string]string{
		"PGRST_SERVER_HOST": "*4", "PGRST_SERVER_PORT": strconv.Itoa(PostgRESTPort),
		"PGRST_ADMIN_SERVER_PORT": strconv.Itoa(postgrestAdminPort), "PGRST_DB_POOL": "10", "PGRST_LOG_LEVEL": "warn",
		// A plan that was made for a user may hold a function's body, and would then run for requests without a token, too.
		"PGRST_DB_PREPARED_STATEMENTS": "false",
	}
	for _, name := range slices.Sorted(maps.Keys(r.Settings)) {
		env["PGRST_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = r.Settings[name]
	}
	login := map[string]string{"PGRST_DB_URI": "login"}
	s := &Server{
		App: app(r.Name), User: restUser,
		Container: server.Container{Image: c.Images.PostgREST, Env: env, SecretEnv: login, CPU: "10m", Memory: "32Mi", Limit: "256Mi"},
		Ports:     []server.Port{{Name: "http", Port: PostgRESTPort, Node: r.NodePort}},
		Secrets:   map[string]string{"login": r.DatabaseURL},
		Health:    server.Health{Path: "/ready", Port: postgrestAdminPort},
		Unawaited: r.Unawaited,
	}
	if r.KeysURL == "" {
		return s
	}
	file := keysFolder + "/jwks.json"
	env["PGRST_JWT_SECRET"] = "@" + file
	keys := server.Container{
		Image: c.Images.Plattr, Args: []string{"pod", "keys", "--url", r.KeysURL, "--file", file, "--channel", r.Channel},
		SecretEnv: login, CPU: "10m", Memory: "32Mi", Limit: "128Mi",
	}
	once := keys
	once.Args = append(slices.Clone(keys.Args), "--once")
	s.Scratch, s.Init, s.Beside = []string{keysFolder}, []server.Container{once}, []server.Container{keys}
	return s
}
