package config

import (
	"reflect"
	"strings"

	"plattr.dev/plattr/operator/api/v1alpha1"
)

// defaultApp returns the App that a file changes. Sections that a file may
// leave out altogether are absent; fresh makes them.
func defaultApp() *App {
	return &App{
		ApplicationSpec: v1alpha1.ApplicationSpec{
			Scaling:   v1alpha1.ScalingSpec{Min: 2, Max: 20, TargetCPU: 70},
			Health:    v1alpha1.HealthSpec{Path: "/healthz", Port: 3000},
			Resources: v1alpha1.ResourcesSpec{CPU: "100m", Memory: "256Mi"},
		},
		Preview: PreviewSpec{TTL: "72h"},
		Local:   LocalSpec{Port: 3000},
	}
}

// fresh returns a new value of a section's type with its defaults. A section
// that is written without `enabled` is on: why else write it. Overrides have no
// defaults: what they leave out stays as it is.
func fresh(t reflect.Type) reflect.Value {
	switch t {
	case reflect.TypeFor[v1alpha1.DatabaseSpec]():
		return reflect.ValueOf(&v1alpha1.DatabaseSpec{
			Enabled:    true,
			Migrations: v1alpha1.MigrationsSpec{Path: "./migrations", Run: v1alpha1.RunJob},
			Seed:       "./seeds",
			Rest:       v1alpha1.RestSpec{Enabled: true, AnonAccess: v1alpha1.AnonNone},
		})
	case reflect.TypeFor[v1alpha1.StorageSpec]():
		return reflect.ValueOf(&v1alpha1.StorageSpec{Enabled: true})
	case reflect.TypeFor[v1alpha1.AuthSpec]():
		return reflect.ValueOf(&v1alpha1.AuthSpec{Enabled: true})
	case reflect.TypeFor[v1alpha1.RedisSpec]():
		return reflect.ValueOf(&v1alpha1.RedisSpec{Enabled: true})
	case reflect.TypeFor[v1alpha1.SearchSpec]():
		return reflect.ValueOf(&v1alpha1.SearchSpec{Enabled: true})
	default:
		return reflect.New(t)
	}
}

// complete applies the defaults that follow from other fields.
func complete(app *App) {
	if app.Database != nil && app.Database.SchemaName == "" {
		app.Database.SchemaName = strings.ReplaceAll(app.Name, "-", "_")
	}
	if app.Auth != nil && len(app.Auth.RedirectPaths) == 0 {
		app.Auth.RedirectPaths = []string{redirectPath(app.Framework)}
	}
}

// redirectPath is where the sign-in library that is usual with a framework
// expects the user back.
func redirectPath(f Framework) string {
	switch f {
	case NextJS:
		return "/api/auth/callback/keycloak"
	case Rails:
		return "/auth/keycloak/callback"
	default:
		return "/auth/callback"
	}
}
