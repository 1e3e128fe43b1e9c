package local

import (
	"context"
	"os"

	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/state"
)

// Machine is what all applications of this machine share. It needs no
// plattr.yaml.
type Machine struct{ localdev.Runtime }

// OpenMachine opens the services of this machine. Nothing is started.
func OpenMachine(ctx context.Context) (*Machine, error) {
	runtime, err := localdev.OpenRuntime(ctx, os.Getenv, "plattr dev")
	if err != nil {
		return nil, err
	}
	return &Machine{runtime}, nil
}

// Apps lists the applications that the services serve.
func (m *Machine) Apps() ([]state.App, error) { return m.State().Apps() }

// Kubeconfig is the file by which kubectl reaches the cluster; empty where there is none.
func (m *Machine) Kubeconfig() string {
	pods, ok := m.Runtime.(*localdev.Pods)
	if !ok {
		return ""
	}
	if _, err := os.Stat(pods.KubeconfigPath()); err != nil {
		return ""
	}
	return pods.KubeconfigPath()
}

// Everything is the machine with all its runtimes.
type Everything struct{ runtimes []localdev.Runtime }

// OpenEverything opens the runtimes that keep something on this machine. Nothing is started.
func OpenEverything(ctx context.Context) (*Everything, error) {
	runtimes, err := localdev.AllRuntimes(ctx, os.Getenv)
	return &Everything{runtimes}, err
}

// Apps lists the applications of all runtimes; one that two have comes once for each.
func (e *Everything) Apps() ([]state.App, error) {
	var all []state.App
	for _, r := range e.runtimes {
		apps, err := r.State().Apps()
		if err != nil {
			return nil, err
		}
		all = append(all, apps...)
	}
	return all, nil
}

// Destroy deletes what all runtimes have.
func (e *Everything) Destroy(ctx context.Context) error {
	for _, r := range e.runtimes {
		if err := r.Destroy(ctx); err != nil {
			return err
		}
	}
	return nil
}
