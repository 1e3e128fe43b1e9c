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
