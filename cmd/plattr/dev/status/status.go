// Package status is the `dev status` command.
package status

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/state"
	"plattr.dev/plattr/localdev/supervisor"
)

// Runtime is what this command needs of the services of the machine.
type Runtime interface {
	Name() localdev.RuntimeName
	Status(ctx context.Context) (supervisor.Status, error)
	Apps() ([]state.App, error)
	// Kubeconfig is the file by which kubectl reaches the cluster; empty where there is none.
	Kubeconfig() string
}

// report is what `dev status -o json` prints. Settings of the services are not
// in it: they hold passwords.
type report struct {
	Runtime string `json:"runtime"`
	// Kubeconfig is the file by which kubectl reaches the cluster of the runtime kind.
	Kubeconfig string `json:"kubeconfig,omitempty"`

	Running  bool      `json:"running"`
	Services []service `json:"services"`
	Apps     []app     `json:"apps"`
}

type service struct {
	Name     string    `json:"name"`
	App      string    `json:"app,omitempty"`
	Version  string    `json:"version"`
	State    string    `json:"state"`
	Address  string    `json:"address"`
	PID      int       `json:"pid,omitempty"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	Memory   int64     `json:"memoryBytes,omitempty"`
	LogFile  string    `json:"logFile,omitempty"` // of a process
	Error    string    `json:"error,omitempty"`
	// Note is what one must know of the service.
	Note string `json:"note,omitempty"`
}

// openSearchNote is said where applications could reach each other's indices.
const openSearchNote = "knows no users: the index prefixes are a convention"

type app struct {
	Name        string   `json:"name"`
	Directories []string `json:"directories"`
}

// New returns the `dev status` command.
func New(s *cli.Session, open func(context.Context) (Runtime, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the local services and the applications they serve",
		Long: "Show the local services and the applications they serve.\n\n" +
			"It says what was observed: state, address, since when, memory, restarts and the last error of each service.",
		Example: "  plattr dev status\n  plattr dev status -o json",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			runtime, err := open(cmd.Context())
			if err != nil {
				return err
			}
			r, err := read(cmd.Context(), runtime)
			if err != nil {
				return fmt.Errorf("look at the services: %w", err)
			}
			return s.Print(r, func(w io.Writer) { r.write(w, s.Now()) })
		},
	}
}

func read(ctx context.Context, runtime Runtime) (report, error) {
	r := report{Runtime: string(runtime.Name()), Kubeconfig: runtime.Kubeconfig(), Services: []service{}, Apps: []app{}}
	status, err := runtime.Status(ctx)
	if err != nil {
		return r, err
	}
	apps, err := runtime.Apps()
	if err != nil {
		return r, err
	}
	for _, s := range status.Services {
		note := ""
		if s.Kind == services.OpenSearch {
			note = openSearchNote
		}
		r.Services = append(r.Services, service{
			Note: note, Name: s.Name, App: s.App, Version: s.Version, State: string(s.State), Address: s.Address, PID: s.PID,
			Since: s.Since, Restarts: s.Restarts, Memory: s.Memory, LogFile: s.LogFile, Error: s.Error,
		})
	}
	for _, a := range apps {
		r.Apps = append(r.Apps, app{Name: a.Name, Directories: a.Dirs})
	}
	r.Running = len(r.Services) > 0
	return r, nil
}

func (r report) write(w io.Writer, now time.Time) {
	if len(r.Services) == 0 {
		fmt.Fprintln(w, "no service is running: plattr dev starts them")
	}
	rows := [][]string{{"SERVICE", "VERSION", "STATE", "ADDRESS", "SINCE", "MEMORY"}}
	if len(r.Services) == 0 {
		rows = nil
	}
	for _, s := range r.Services {
		memory, restarts := "", ""
		if s.Memory > 0 {
			memory = cli.Size(s.Memory)
		}
		if s.Restarts > 0 {
			restarts = cli.Count(s.Restarts, "restart")
		}
		rows = append(rows, []string{s.Name, s.Version, s.State, s.Address, cli.Duration(now.Sub(s.Since)), memory, restarts})
		for _, remark := range []string{s.Note, s.Error} {
			if remark != "" {
				rows = append(rows, []string{"  " + remark})
			}
		}
	}
	cli.Table(w, rows)
	r.writeApps(w)
	if r.Kubeconfig != "" {
		fmt.Fprintf(w, "\nruntime %s: export KUBECONFIG=%s   for kubectl\n", r.Runtime, r.Kubeconfig)
	}
}

func (r report) writeApps(w io.Writer) {
	if len(r.Apps) == 0 {
		return
	}
	rows := [][]string{{"APPLICATION", "DIRECTORY"}}
	for _, a := range r.Apps {
		for _, dir := range a.Directories {
			rows = append(rows, []string{a.Name, dir})
		}
	}
	if len(r.Services) > 0 {
		fmt.Fprintln(w)
	}
	cli.Table(w, rows)
}
