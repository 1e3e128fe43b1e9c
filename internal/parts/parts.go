// Package parts asks the servers of an environment how what an application has there is: database, buckets, realm, Redis and
// indices. It makes and changes nothing.
package parts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/lostconn"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

const (
	// DefaultLimit is how long one part may take to answer.
	DefaultLimit = 5 * time.Second
	// grace is how long a part may take beyond that to say what it knows.
	grace = 500 * time.Millisecond
)

// Cluster is what is asked of the application's cluster; [cluster.Client] answers.
type Cluster interface {
	// DatabaseURL is the one that the application's pods have, ReachDatabase makes it work from here.
	DatabaseURL(ctx context.Context, app kube.App) (string, error)
	ReachDatabase(ctx context.Context, app kube.App, databaseURL string) (reached string, closeTunnel func() error, err error)
	// Instance is a server of the application's own, ReachInstance a way to it.
	Instance(ctx context.Context, app kube.App, kind string) (cluster.Part, error)
	ReachInstance(ctx context.Context, app kube.App, kind string, port int) (addr string, closeTunnel func() error, err error)
}

// Asker asks after one application in one environment.
type Asker struct {
	// App is the application as it was made there; what it asks for is asked after.
	App deploy.Application
	// Place is where its objects are in the cluster.
	Place kube.App
	// Target is the environment.
	Target  names.Target
	Cluster Cluster
	// Platform finds the servers that are wanted, with the credentials of their administrators. An error says what is missing.
	Platform func(ctx context.Context, wanted deploy.Servers) (deploy.Platform, error)
	// Limit bounds the answer of each part; DefaultLimit when zero.
	Limit time.Duration
}

// question is one part: what answers for it.
type question struct {
	name   string
	wanted bool
	ask    func(ctx context.Context) (cluster.Part, error)
}

// Ask asks after all parts at once, and returns those that the application has, in a fixed order. It takes little more than the
// limit, whatever the servers do: what does not answer is said of the part.
func (a Asker) Ask(ctx context.Context) []cluster.Part {
	spec := a.App.Spec
	questions := []question{
		{cluster.PartDatabase, spec.DatabaseEnabled(), a.database},
		{cluster.PartStorage, spec.StorageEnabled(), a.storage},
		{cluster.PartAuth, spec.AuthEnabled(), a.auth},
		{cluster.PartRedis, spec.RedisEnabled(), a.redis},
		{cluster.PartSearch, spec.SearchEnabled(), a.search},
	}
	answers := make([]cluster.Part, len(questions))
	var all sync.WaitGroup
	for i, q := range questions {
		if q.wanted {
			all.Go(func() { answers[i] = a.bounded(ctx, q) })
		}
	}
	all.Wait()
	var parts []cluster.Part
	for i, q := range questions {
		if q.wanted {
			parts = append(parts, answers[i])
		}
	}
	return parts
}

// bounded asks one question, and does not wait for a client that does not heed its context.
func (a Asker) bounded(ctx context.Context, q question) cluster.Part {
	limit := a.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answered := make(chan cluster.Part, 1)
	go func() {
		part, err := q.ask(ctx)
		if err != nil && ctx.Err() != nil { // whatever a client makes of it
			err = ctx.Err()
		}
		answered <- judged(part, err, limit)
	}()
	var part cluster.Part
	select {
	case part = <-answered:
	case <-ctx.Done():
		select {
		case part = <-answered:
		case <-time.After(grace):
			part = judged(cluster.Part{}, ctx.Err(), limit)
		}
	}
	part.Name = q.name
	return part
}

// unaskedError is why there was no question: no credentials, no such server.
type unaskedError struct{ err error }

func (e *unaskedError) Error() string { return "not asked: " + e.err.Error() }
func (e *unaskedError) Unwrap() error { return e.err }

// refusedError is a server that does not answer whoever asks.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// judged puts what went wrong into a part.
func judged(part cluster.Part, err error, limit time.Duration) cluster.Part {
	if err == nil {
		return part
	}
	part.Why = strings.Join(strings.Fields(err.Error()), " ")
	var unasked *unaskedError
	var refused *refusedError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		part.State, part.Why = cluster.PartUnreachable, fmt.Sprintf("no answer within %s", limit)
	case errors.As(err, &unasked), errors.As(err, &refused):
		part.State = cluster.PartUnknown
	case isUnreachable(err):
		part.State = cluster.PartUnreachable
	default:
		part.State = cluster.PartFailed
	}
	return part
}

func isUnreachable(err error) bool {
	var socket *net.OpError
	var name *net.DNSError
	var request *url.Error
	var database *cluster.UnreachableError
	var keycloak *admin.UnreachableError
	return errors.As(err, &database) || errors.As(err, &keycloak) || errors.As(err, &socket) || errors.As(err, &name) ||
		errors.As(err, &request) || lostconn.Is(err)
}

// server is the platform with one server.
func (a Asker) server(ctx context.Context, wanted deploy.Servers) (deploy.Platform, error) {
	p, err := a.Platform(ctx, wanted)
	if err != nil && ctx.Err() == nil {
		err = &unaskedError{err}
	}
	return p, err
}

func (a Asker) names() names.Names { return deploy.NamesOf(a.App, a.Target) }
