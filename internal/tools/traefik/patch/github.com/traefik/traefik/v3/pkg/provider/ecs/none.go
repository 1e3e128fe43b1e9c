// Package ecs is in place of Traefik's provider for AWS ECS, which needs the SDK of all of EC2.
package ecs

import (
	"errors"

	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/safe"
)

// Provider has no settings and provides nothing.
type Provider struct{}

// Init fails: whoever sets this provider is told at the start.
func (*Provider) Init() error {
	return errors.New("this Traefik was built without the provider for AWS ECS")
}

// Provide is never called.
func (p *Provider) Provide(chan<- dynamic.Message, *safe.Pool) error { return p.Init() }
