package javaserver

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// Keycloak is a server with its data in PostgreSQL.
type Keycloak struct {
	Java Java
	// Home is the installation, prepared by `kc.sh build --db=postgres`. It is only read.
	Home string
	// Dir is the server's own folder.
	Dir string
	// Host and Port are where it listens. Hostname is the URL that browsers use, and the beginning of every issuer.
	Host     string
	Port     int
	Hostname string
	// Database is host:port/name; DatabaseUser owns it.
	Database, DatabaseUser, DatabasePassword string
	// Admin is a user, AdminClient a client with a service account; both may do everything. They are made in the master
	// realm when the database is empty; afterwards password and secret are what they were then.
	Admin, AdminPassword     string
	AdminClient, AdminSecret string
}

// Prepare writes the server's files and returns how to start it. It can be repeated.
//
// The class path and the options are those of kc.sh in 26.6, without its shell: the process that is started is the
// server.
func (k Keycloak) Prepare() (Process, error) {
	home := filepath.Join(k.Dir, "home")
	if err := folders(k.Dir, "home/conf", "home/data", "tmp"); err != nil {
		return Process{}, fmt.Errorf("make Keycloak's folders: %w", err)
	}
	// Keycloak writes below its home (transaction log, temporary files), so it gets one of its own around the installation.
	for _, part := range []string{"lib", "providers", "themes"} {
		if err := link(filepath.Join(k.Home, part), filepath.Join(home, part)); err != nil {
			return Process{}, fmt.Errorf("make Keycloak's folders: %w", err)
		}
	}
	args := append(k.Java.options(filepath.Join(k.Dir, "tmp")),
		"-Xms64m", "-XX:MetaspaceSize=96M", "-XX:MaxMetaspaceSize=256m",
		"-Dkc.home.dir="+home, "-Djboss.server.config.dir="+filepath.Join(home, "conf"),
		"-Djava.util.logging.manager=org.jboss.logmanager.LogManager", "-Dpicocli.disable.closures=true",
		"-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
		"-Djava.security.egd=file:/dev/urandom",
	)
	for _, pkg := range []string{"util", "util.concurrent", "security", "lang"} {
		args = append(args, "--add-opens=java.base/java."+pkg+"=ALL-UNNAMED")
	}
	args = append(args, "-cp", filepath.Join(k.Home, "lib", "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint",
		"start", "--optimized", "--cache=local", "--http-enabled=true", "--http-host="+k.Host, "--http-port="+strconv.Itoa(k.Port),
		"--hostname="+k.Hostname, "--hostname-backchannel-dynamic=true", "--log-level=warn", "--log-console-color=false")
	return Process{Path: k.Java.Program, Args: args, Dir: k.Dir, Env: []string{
		"KC_DB_URL=jdbc:postgresql://" + k.Database, "KC_DB_USERNAME=" + k.DatabaseUser, "KC_DB_PASSWORD=" + k.DatabasePassword,
		"KC_DB_POOL_MAX_SIZE=10", "KC_DB_POOL_INITIAL_SIZE=1",
		"KC_BOOTSTRAP_ADMIN_USERNAME=" + k.Admin, "KC_BOOTSTRAP_ADMIN_PASSWORD=" + k.AdminPassword,
		"KC_BOOTSTRAP_ADMIN_CLIENT_ID=" + k.AdminClient, "KC_BOOTSTRAP_ADMIN_CLIENT_SECRET=" + k.AdminSecret,
	}}, nil
}
