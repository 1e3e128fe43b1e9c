package cluster

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/internal/kube"
)

// Phase is how the application is as a whole.
type Phase string

// The phases. They tell of what serves requests: a certificate that is waited for leaves the phase as it is.
const (
	// Running has all its pods ready.
	Running Phase = "Running"
	// Provisioning is on its way: a rollout, or its migrations.
	Provisioning Phase = "Provisioning"
	// Failed does not come any further by itself.
	Failed Phase = "Failed"
	// Absent is not deployed.
	Absent Phase = "Absent"
)

// Status is what was observed of an application. Its field names under -o json are an interface; times are RFC 3339.
type Status struct {
	Name        string `json:"name"`
	Namespace   string `json:"namespace"`
	Environment string `json:"environment"`
	Phase       Phase  `json:"phase"`
	// Image is the one that runs, by digest, and Since when its pods were rolled out. Empty where no pod is ready.
	Image string     `json:"image,omitempty"`
	Since *time.Time `json:"since,omitempty"`
	// NextImage is the one that is rolled out in its place; empty where that is the same.
	NextImage string `json:"nextImage,omitempty"`
	Pods      Pods   `json:"pods"`
	Parts     []Part `json:"parts"`
}

// Pods counts an application's pods.
type Pods struct {
	// Ready are those that answer, of any version; Updated those of the newest one among them.
	Ready   int `json:"ready"`
	Updated int `json:"updated"`
	Desired int `json:"desired"`
	// Min and Max are the autoscaler's limits; both Desired where there is none.
	Min int `json:"min"`
	Max int `json:"max"`
	// CPUPercent is how much of the CPU that the application asks for its container uses; nil where the cluster has no metrics.
	CPUPercent *int `json:"cpuPercent,omitempty"`
}

// maxEvidence is how many lines a part's evidence has at most.
const maxEvidence = 10

// Part returns a part by its name.
func (s Status) Part(name string) Part {
	for _, p := range s.Parts {
		if p.Name == name {
			return p
		}
	}
	return Part{Name: name, State: PartAbsent}
}

// Status reads how an application is from its objects, never from a state: what a person or a node changed is seen. An error
// says that it could not be read, in one line; that the application does not work, or is not there, is no error.
func (c *Client) Status(ctx context.Context, app kube.App) (Status, error) {
	s := Status{Name: app.Name, Namespace: app.Namespace, Environment: app.Environment}
	var workload, migrations, ingress Part
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() (err error) {
		workload, err = c.workload(ctx, app, &s)
		return err
	})
	all.Go(func() (err error) {
		migrations, err = c.migrations(ctx, app)
		return err
	})
	all.Go(func() (err error) {
		ingress, err = c.ingress(ctx, app)
		return err
	})
	if err := all.Wait(); err != nil {
		return Status{}, err //nolint:wrapcheck // one of the above
	}
	s.Parts = []Part{workload, migrations, ingress}
	s.Phase = phase(workload.State, migrations.State)
	return s, nil
}

// phase is that of what serves requests. Migrations that failed leave the release before serving; without one, nothing does.
func phase(workload, migrations State) Phase {
	switch {
	case workload == PartFailed, workload != PartReady && migrations == PartFailed:
		return Failed
	case workload == PartWaiting, migrations == PartWaiting:
		return Provisioning
	case workload == PartAbsent:
		return Absent
	}
	return Running
}
