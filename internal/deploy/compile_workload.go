package deploy

import (
	"cmp"
	"maps"
	"strconv"

	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/operator/api/v1alpha1"
	"plattr.dev/plattr/stacks/application"
)

// previewReplicas is the greatest number of pods of a preview.
const previewReplicas = 2

// asItRuns is the application as its release was made.
func (a Application) asItRuns() Application {
	if a.running != nil {
		a.Spec = *a.running
	}
	return a
}

// place is where the application's objects are in the cluster.
func place(app Application, n names.Names, p Platform) kube.App {
	return kube.App{Name: app.Name, Namespace: cmp.Or(p.Cluster.Namespace, n.Namespace), Environment: p.Target.Environment}
}

// Place is where an application's objects are in the cluster.
func Place(app Application, p Platform) kube.App { return place(app, NamesOf(app, p.Target), p) }

// compileWorkload says how the application runs in the platform's cluster.
func compileWorkload(app Application, n names.Names, p Platform) *application.Workload {
	w := &application.Workload{
		App:     place(app, n, p),
		Release: application.Release{ID: app.Release.ID, Image: app.Release.Image, Migrated: app.Release.Migrated}, Attempt: app.Release.Attempt, Earlier: app.Release.Earlier,
		User: app.Release.User, PlattrImage: p.Cluster.PlattrImage, RestImage: p.Cluster.RestImage,
		Port: app.Spec.Health.Port, HealthPath: app.Spec.Health.Path,
		CPU: app.Spec.Resources.CPU, Memory: app.Spec.Resources.Memory,
		Env: environment(app), UserEnv: app.UserEnv,
		Host: app.Host, Ingress: p.Cluster.Ingress, Egress: p.Cluster.Services, Inside: p.Cluster.Inside,
	}
	w.Replicas, w.MaxReplicas, w.TargetCPU = replicas(app.Spec.Scaling, p.Target.Environment)
	if d := app.Spec.Database; app.Spec.DatabaseEnabled() && d.Migrations.Engine != "" && d.Migrations.Run != v1alpha1.RunStartup {
		w.Migrations = &application.Migrations{Engine: string(d.Migrations.Engine), Path: d.Migrations.Path, Schema: n.MigrationsSchema}
	}
	return w
}

// replicas cuts the scaling of an environment to what it is for.
func replicas(s v1alpha1.ScalingSpec, environment string) (least, most, cpu int) {
	switch environment {
	case names.Local:
		return 1, 1, s.TargetCPU
	case names.Preview:
		return 1, min(previewReplicas, s.Max), s.TargetCPU
	default:
		return s.Min, s.Max, s.TargetCPU
	}
}

// environment is what the application finds beside what its parts give it.
func environment(app Application) map[string]string {
	env := map[string]string{"PORT": strconv.Itoa(app.Spec.Health.Port), "APP_URL": app.URL}
	maps.Copy(env, app.Spec.Env)
	return env
}
