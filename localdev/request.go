package localdev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/programs"
	"plattr.dev/plattr/localdev/s3server/s3config"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/supervisor"
)

// request is a service that should run, before its program and its ports are known.
type request struct {
	spec    services.Spec // without Program, Version and Ports
	title   string
	program string         // in the table of programs; empty: plattr itself
	version string         // where there is no program
	uses    []ports.Use    // the ports that it needs
	java    bool           // the program runs in a JVM
	first   string         // why its first start takes longer than others; empty: it does not
	found   *services.Spec // with its program, where that was found already
}

func postgresqlRequest() request {
	return request{
		spec: services.Spec{Name: string(services.PostgreSQL), Kind: services.PostgreSQL}, title: "PostgreSQL",
		program: "postgresql", uses: []ports.Use{ports.PostgreSQL},
	}
}

func s3Request() request {
	return request{
		spec: services.Spec{Name: string(services.S3), Kind: services.S3}, title: "S3",
		version: s3config.Version, uses: []ports.Use{ports.S3, ports.S3Console, ports.S3IAM},
	}
}

// RedisName is the name of an application's Redis in Status and Logs.
func RedisName(app string) string { return string(services.Redis) + "-" + app }

func redisRequest(app string) request {
	return request{
		spec: services.Spec{Name: RedisName(app), Kind: services.Redis, App: app}, title: "Redis",
		program: "redis", uses: []ports.Use{ports.Redis},
	}
}

func keycloakRequest() request {
	return request{
		spec: services.Spec{Name: string(services.Keycloak), Kind: services.Keycloak}, title: "Keycloak",
		program: "keycloak", uses: []ports.Use{ports.Keycloak}, java: true,
		first: "its first start makes its tables: some ten seconds",
	}
}

func keycloakSettings(databasePort int) map[string]string {
	return map[string]string{services.SettingDatabasePort: strconv.Itoa(databasePort)}
}

func opensearchRequest() request {
	return request{
		spec: services.Spec{Name: string(services.OpenSearch), Kind: services.OpenSearch}, title: "OpenSearch",
		program: "opensearch", uses: []ports.Use{ports.OpenSearch, ports.OpenSearchNodes}, java: true,
	}
}

// PostgRESTName is the name of an application's PostgREST in Status and Logs.
func PostgRESTName(app string) string { return string(services.PostgREST) + "-" + app }

func postgrestRequest(app string, c PostgRESTConfig) request {
	return request{
		spec:  services.Spec{Name: PostgRESTName(app), Kind: services.PostgREST, App: app, Settings: c.settings()},
		title: "PostgREST", program: "postgrest", uses: []ports.Use{ports.PostgREST, ports.PostgRESTAdmin},
	}
}

// serves tells whether a service that runs is the one that was asked for. A newer program in the table is no reason to
// end a server that works; it is used at the next start.
func (r request) serves(s supervisor.ServiceStatus) bool {
	return s.State == supervisor.Ready && r.same(s.Spec)
}

// same compares all but what ensure adds.
func (r request) same(s services.Spec) bool {
	want := r.spec
	want.Program, want.Version, want.Ports, want.Java = s.Program, s.Version, s.Ports, s.Java
	return want.Equal(s)
}

// ensure returns the spec of a service that does its work, after starting it if it did not run. It is started anew where
// a port was taken between the choice and the start, or the supervisor was killed.
func (n *Native) ensure(
	ctx context.Context, r request, running map[string]supervisor.ServiceStatus, report func(Progress),
) (spec services.Spec, err error) {
	if now, known := running[r.spec.Name]; known && r.serves(now) {
		return now.Spec, nil
	}
	if r.found != nil {
		spec = *r.found
		spec.Settings = r.spec.Settings
	} else if spec, err = n.withProgram(ctx, r, running, report); err != nil {
		return spec, err
	}
	detail := r.first
	if _, err := os.Stat(n.state.Join("services", r.spec.Name)); err == nil {
		detail = ""
	}
	report(Progress{Service: spec.Name, Title: r.title, Version: spec.Version, Phase: Starting, Detail: detail})
	const attempts = 3
	for i := 1; ; i++ {
		s, err := n.start(ctx, r, spec)
		if err == nil {
			report(Progress{Service: s.Name, Title: r.title, Version: s.Version, Phase: Ready, Detail: s.Address})
			return s.Spec, nil
		}
		if i == attempts || ctx.Err() != nil || !errors.Is(err, supervisor.ErrNotRunning) && n.portsAreFree(s.Spec) {
			return s.Spec, err
		}
	}
}

func (n *Native) start(ctx context.Context, r request, spec services.Spec) (supervisor.ServiceStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, ensureTimeout)
	defer cancel()
	spec, err := n.arrange(ctx, r, spec)
	if err != nil {
		return supervisor.ServiceStatus{Spec: spec}, err
	}
	s, err := n.client.Ensure(ctx, spec)
	if err != nil {
		s.Spec = spec
	}
	return s, err
}

// withProgram finds or downloads what a request runs: its program, and Java where that needs it.
func (n *Native) withProgram(
	ctx context.Context, r request, running map[string]supervisor.ServiceStatus, report func(Progress),
) (services.Spec, error) {
	spec := r.spec
	spec.Version = r.version
	if r.program == "" {
		return spec, nil
	}
	for _, other := range running { // what runs for another application was checked when it was started
		if other.Kind == spec.Kind && other.State == supervisor.Ready && other.Name != spec.Name {
			spec.Program, spec.Version, spec.Java = other.Spec.Program, other.Spec.Version, other.Spec.Java
			return spec, nil
		}
	}
	report(Progress{Service: spec.Name, Title: r.title, Phase: Finding})
	find := func(name string) (programs.Program, error) {
		p, err := programs.Find(ctx, name, programs.WithEnv(n.getenv), programs.WithProgress(func(p programs.Progress) {
			report(Progress{
				Service: spec.Name, Title: r.title, Phase: Phase(p.Phase), Detail: p.Source, Done: p.Done, Total: p.Total,
			})
		}))
		if err != nil {
			return p, fmt.Errorf("start %s: %w", r.title, err)
		}
		return p, nil
	}
	program, err := find(r.program)
	if err != nil {
		return spec, err
	}
	spec.Program, spec.Version = program.Bin, program.Version
	if !r.java {
		return spec, nil
	}
	java, err := find("java")
	if err != nil {
		return spec, err
	}
	spec.Java.Program = java.Bin
	archives, err := programs.ArchiveDir(n.getenv, n.state.UID(), n.state.GID())
	if err != nil {
		return spec, fmt.Errorf("start %s: %w", r.title, err)
	}
	spec.Java.Archive = filepath.Join(archives, programs.ArchiveName(program, java))
	return spec, nil
}

// arrange tells the supervisor to run the service. The lock keeps two commands from choosing two sets of ports for it.
func (n *Native) arrange(ctx context.Context, r request, spec services.Spec) (services.Spec, error) {
	release, err := n.state.Lock(ctx)
	if err != nil {
		return spec, err
	}
	defer release()
	now, err := n.client.Start(ctx)
	if err != nil {
		return spec, err
	}
	for _, st := range now.Services {
		if st.Name != spec.Name {
			continue
		}
		if st.State != supervisor.Failed && r.same(st.Spec) && n.keepsPorts(ctx, st) {
			return st.Spec, n.client.Arrange(ctx, st.Spec) // another command was faster
		}
		if st.PID != 0 {
			spec.Ports = st.Ports // it listens on them itself
			return spec, n.client.Arrange(ctx, spec)
		}
	}
	if spec.Ports, err = n.choosePorts(r); err != nil {
		return spec, err
	}
	return spec, n.client.Arrange(ctx, spec)
}

// keepsPorts tells whether a service has its ports, or can still get them. A port that is taken may be taken by the
// service itself, which began to listen after it was asked for its state: then it has a process now.
func (n *Native) keepsPorts(ctx context.Context, st supervisor.ServiceStatus) bool {
	if st.PID != 0 || n.portsAreFree(st.Spec) {
		return true
	}
	now, err := n.running(ctx)
	return err == nil && now[st.Name].PID != 0
}

// choosePorts gives a service the ports that it had before, if they are free. The caller holds the lock.
func (n *Native) choosePorts(r request) (map[ports.Use]int, error) {
	book, err := ports.Load(n.state)
	if err != nil {
		return nil, err
	}
	out := map[ports.Use]int{}
	for _, use := range r.uses {
		if out[use], err = book.Choose(use, r.spec.App); err != nil {
			return nil, err
		}
	}
	return out, book.Save(n.state)
}

func (n *Native) portsAreFree(s services.Spec) bool {
	for _, p := range s.Ports {
		if !ports.Free(p) {
			return false
		}
	}
	return true
}
