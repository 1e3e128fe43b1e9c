package deploy

import (
	"context"
	"maps"
	"slices"

	"plattr.dev/plattr/internal/environ"
	"plattr.dev/plattr/stacks/application"
)

// Origin says who set a variable.
type Origin string

// The origins; a later one counts more.
const (
	FromPlatform Origin = "platform"
	FromFile     Origin = "file"
	FromPeople   Origin = "people"
)

// Variable is one of an application's environment in a cluster.
type Variable struct {
	Name, Value string
	From        Origin
}

// Variables are what the pods of the release that serves find in their environment; without one, what the next one would
// find that people set. They hold secrets.
func (d *Deployer) Variables(ctx context.Context, app Application, p Platform) ([]Variable, error) {
	m, err := d.memory(ctx, app, p)
	if err != nil {
		return nil, err
	}
	layers := []struct {
		from   Origin
		values map[string]string
	}{{FromPeople, m.userEnv}}
	var vars []Variable
	if live, ok := m.find(m.live); ok {
		running := m.as(app, live)
		c, err := connections(m.outputs)
		if err != nil {
			return nil, err
		}
		for _, v := range environ.Variables(c, restAddresses(running, p)) {
			vars = append(vars, Variable{v.Name, v.Value, FromPlatform})
		}
		own := environment(running)
		for _, name := range []string{"PORT", "APP_URL"} {
			vars = append(vars, Variable{name, own[name], FromPlatform})
		}
		layers = slices.Insert(layers, 0, struct {
			from   Origin
			values map[string]string
		}{FromFile, running.Spec.Env})
	}
	for _, layer := range layers {
		for _, name := range slices.Sorted(maps.Keys(layer.values)) {
			vars = slices.DeleteFunc(vars, func(v Variable) bool { return v.Name == name })
			vars = append(vars, Variable{name, layer.values[name], layer.from})
		}
	}
	return vars, nil
}

// restAddresses are those of the REST API of an application that runs.
func restAddresses(app Application, p Platform) environ.REST {
	c := application.Config{Workload: compileWorkload(app, NamesOf(app, p.Target), p)}
	if app.Spec.RestEnabled() {
		c.Database = &application.Database{REST: &application.REST{}}
	}
	return c.RestAddresses()
}
