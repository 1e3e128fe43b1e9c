package deploy

import (
	"context"

	"plattr.dev/plattr/stacks/application"
)

// Moved are the parts of an application whose servers are others than those that the last run knew: at another address,
// or managed by somebody else. Parts that a killed run may have begun count as moved; those of which the platform has no
// server do not.
func (d *Deployer) Moved(ctx context.Context, app Application, p Platform) ([]string, error) {
	m, err := d.memory(ctx, app, p)
	if err != nil {
		return nil, err
	}
	return d.moved(ctx, app, p, m)
}

func (d *Deployer) moved(ctx context.Context, app Application, p Platform, m memory) ([]string, error) {
	present, err := d.Present(ctx, app, p)
	if err != nil || present == (Servers{}) {
		return nil, err
	}
	known, _ := m.outputs[application.OutputServers].Value.(map[string]any)
	now := servers(p)
	var moved []string
	for _, part := range present.parts() {
		mark, err := now.Mark(part)
		if err != nil {
			return nil, err
		}
		if mark != "" && known[part] != mark {
			moved = append(moved, part)
		}
	}
	return moved, nil
}

// follow tells the providers of the state where their servers are now. A refresh, and the deletion of what the program
// does not declare any more, would ask whoever has the old address, with the credentials of an administrator.
func (d *Deployer) follow(ctx context.Context, app Application, p Platform, m memory) error {
	moved, err := d.moved(ctx, app, p, m)
	if err != nil || len(moved) == 0 {
		return err
	}
	return d.engine.Reconfigure(ctx, StackName(app.Name, p.Target), application.ProvidersProgram(servers(p), moved))
}

// parts are the names of the servers in the program.
func (s Servers) parts() []string {
	var parts []string
	for _, p := range []struct {
		name  string
		there bool
	}{
		{application.PartDatabase, s.Database},
		{application.PartStorage, s.Storage},
		{application.PartAuth, s.Auth},
		{application.PartRedis, s.Redis},
		{application.PartSearch, s.Search},
		{application.PartWorkload, s.Cluster},
	} {
		if p.there {
			parts = append(parts, p.name)
		}
	}
	return parts
}
