// Package services is the table of the local services: how each kind is prepared, started, found ready and stopped.
// The supervisor runs what the table says and knows no service by name.
package services

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/state"
)

// Kind names a row of the table.
type Kind string

// The kinds of services.
const (
	PostgreSQL Kind = "postgresql"
	S3         Kind = "s3"
	PostgREST  Kind = "postgrest"
	Keycloak   Kind = "keycloak"
	Redis      Kind = "redis"
	OpenSearch Kind = "opensearch"
)

// Spec is one service as it should run. It is kept in the state folder, 0600, because settings may hold passwords.
type Spec struct {
	Name     string            `json:"name"` // unique on this machine, safe as a file name
	Kind     Kind              `json:"kind"`
	App      string            `json:"app,omitempty"` // the application that it serves; empty: all
	Version  string            `json:"version"`
	Program  string            `json:"program,omitempty"` // path of the executable; empty: plattr itself
	Java     Java              `json:"java,omitzero"`     // that runs the program, where it needs one
	Ports    map[ports.Use]int `json:"ports"`
	Settings map[string]string `json:"settings,omitempty"`
}

// Java is the JVM of a service.
type Java struct {
	Program string `json:"program"`
	// Archive is the file in which the JVM keeps its loaded classes; empty: none.
	Archive string `json:"archive,omitempty"`
}

// Equal tells whether the same process serves both.
func (s Spec) Equal(o Spec) bool {
	return s.Name == o.Name && s.Kind == o.Kind && s.App == o.App && s.Version == o.Version && s.Program == o.Program &&
		s.Java == o.Java && maps.Equal(s.Ports, o.Ports) && maps.Equal(s.Settings, o.Settings)
}

// Address returns host:port of one of the service's ports.
func (s Spec) Address(use ports.Use) string {
	return ports.Host + ":" + strconv.Itoa(s.Ports[use])
}

// Command is a process to start. Everything secret is in files.
type Command struct {
	Path string   // empty: plattr itself
	Args []string // without the name of the program
	Env  []string // all of it: services inherit nothing
	Dir  string
}

// Place is where a service keeps its things.
type Place struct {
	State state.Dir
	Dir   string // the service's own folder, there already
}

// Signaller sends a signal to a service's process.
type Signaller interface {
	Signal(sig syscall.Signal) error
}

// StopStep is a signal and how long to wait for the end before the next step.
type StopStep struct {
	Signal syscall.Signal
	Wait   time.Duration
}

// Definition is a row of the table.
type Definition struct {
	Title string
	Main  ports.Use // the port that users see
	// Order is when it is stopped: lower ones first. Services that others need have higher ones.
	Order int
	// Prepare makes what the process needs, again and again without harm, and returns how to start it.
	Prepare func(context.Context, Place, Spec) (Command, error)
	// Settle is run once after each start, before Ready. It may be nil.
	Settle func(context.Context, Place, Spec) error
	// Ready tells whether the service does its work, by using it.
	Ready func(context.Context, Place, Spec) error
	// Watch is called every few seconds while the service is ready, for what changes outside of it. It may be nil.
	Watch func(context.Context, Place, Spec, Signaller) error
	Stop  []StopStep
	// Data is the folder of its data in the state folder, which outlives the process; empty: it has none.
	Data string
}

// Table returns the definitions of all kinds.
func Table() map[Kind]Definition {
	return map[Kind]Definition{
		PostgREST: {
			Title: "PostgREST", Main: ports.PostgREST, Order: 1,
			Prepare: preparePostgREST, Ready: readyPostgREST, Watch: watchPostgREST,
			Stop: []StopStep{{syscall.SIGTERM, 3 * time.Second}},
		},
		Redis: {
			Title: "Redis", Main: ports.Redis, Order: 2, Prepare: prepareRedis, Ready: readyRedis,
			Stop: []StopStep{{syscall.SIGTERM, 10 * time.Second}},
		},
		Keycloak: {
			Title: "Keycloak", Main: ports.Keycloak, Order: 2, Prepare: prepareKeycloak, Ready: readyKeycloak,
			Stop: []StopStep{{syscall.SIGTERM, javaStop}},
		},
		OpenSearch: {
			Title: "OpenSearch", Main: ports.OpenSearch, Order: 2, Data: "opensearch",
			Prepare: prepareOpenSearch, Ready: readyOpenSearch,
			Stop: []StopStep{{syscall.SIGTERM, javaStop}},
		},
		S3: {
			Title: "S3", Main: ports.S3, Order: 2, Prepare: prepareS3, Ready: readyS3, Data: "s3",
			Stop: []StopStep{{syscall.SIGTERM, 5 * time.Second}},
		},
		PostgreSQL: {
			Title: "PostgreSQL", Main: ports.PostgreSQL, Order: 3, Data: "postgresql",
			Prepare: preparePostgreSQL, Settle: settlePostgreSQL, Ready: readyPostgreSQL,
			// Smart: clients may finish. Fast: they are cut off. Immediate: recovery at the next start.
			Stop: []StopStep{{syscall.SIGTERM, 300 * time.Millisecond}, {syscall.SIGINT, 20 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}},
		},
	}
}

// CheckName refuses what could not be a file's name.
func CheckName(name string) error {
	if name == "" || strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") || len(name) > 100 {
		return fmt.Errorf("%q is not a name for a service", name)
	}
	return nil
}

// cleanEnv is all that services see of the environment, so that no secret of a shell gets into a server.
func cleanEnv(dir string) []string {
	env := []string{"HOME=" + dir, "LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin"}
	if tz := os.Getenv("TZ"); tz != "" {
		env = append(env, "TZ="+tz)
	}
	return env
}

// writeIfChanged writes a private file of a service and tells whether it was another one before.
func writeIfChanged(path string, data []byte) error {
	old, err := os.ReadFile(path)
	if err == nil && string(old) == string(data) {
		return nil
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
