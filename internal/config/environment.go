package config

import (
	"fmt"
	"maps"
	"slices"

	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

// For returns the App as environment env runs it: overrides applied, the
// laptop with one replica and previews with one or two unless the file says
// otherwise for them. The receiver is left as it is.
func (a *App) For(env string) (*App, error) {
	known := names.Environments()
	if !slices.Contains(known, env) {
		if near := closest(env, known); near != "" {
			return nil, fmt.Errorf("unknown environment %q, did you mean %q?", env, near)
		}
		return nil, fmt.Errorf("unknown environment %q: it is one of %s", env, list(known))
	}
	out := *a
	o := a.Environments[env]
	out.Environment, out.Domain = env, o.Domain
	out.Environments = nil
	out.ApplicationSpec = cloneSpec(a.ApplicationSpec)
	out.Local.Env = maps.Clone(a.Local.Env)
	out.Scaling = scalingFor(env, a.Scaling, o.Scaling)
	if o.Resources != nil {
		override(&out.Resources.CPU, o.Resources.CPU)
		override(&out.Resources.Memory, o.Resources.Memory)
	}
	if len(o.Env) > 0 && out.Env == nil {
		out.Env = map[string]string{}
	}
	maps.Copy(out.Env, o.Env)
	return &out, nil
}

// scalingFor returns the bounds in an environment.
func scalingFor(env string, base v1alpha1.ScalingSpec, o *v1alpha1.ScalingSpec) v1alpha1.ScalingSpec {
	switch env {
	case names.Local:
		base.Min, base.Max = 1, 1
	case names.Preview:
		base.Min, base.Max = 1, 2
	}
	if o != nil {
		override(&base.Min, o.Min)
		override(&base.Max, o.Max)
		override(&base.TargetCPU, o.TargetCPU)
	}
	return base
}

// override sets what an override does not leave out.
func override[T comparable](to *T, value T) {
	var unset T
	if value != unset {
		*to = value
	}
}

// cloneSpec copies what a caller could change through a pointer.
func cloneSpec(s v1alpha1.ApplicationSpec) v1alpha1.ApplicationSpec {
	s.Database, s.Storage, s.Auth = clone(s.Database), clone(s.Storage), clone(s.Auth)
	s.Redis, s.Search = clone(s.Redis), clone(s.Search)
	if s.Database != nil {
		s.Database.Extensions = slices.Clone(s.Database.Extensions)
	}
	if s.Storage != nil {
		s.Storage.Buckets = slices.Clone(s.Storage.Buckets)
	}
	if s.Auth != nil {
		s.Auth.Providers = slices.Clone(s.Auth.Providers)
		s.Auth.RedirectPaths = slices.Clone(s.Auth.RedirectPaths)
	}
	s.Env = maps.Clone(s.Env)
	return s
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
