package parts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/providers/plattr/opensearch"
	"plattr.dev/plattr/internal/providers/plattr/redisclient"
)

// The kinds of instances, and where OpenSearch listens; see components/instance.
const (
	instanceRedis  = "redis"
	instanceSearch = "search"
	searchPort     = 9200
)

func (a Asker) redis(ctx context.Context) (cluster.Part, error) {
	p, err := a.server(ctx, deploy.Servers{Redis: true})
	if err != nil {
		return cluster.Part{}, err
	}
	if p.Redis.Image != "" { // its pod is ready when it answers
		part, err := a.instance(ctx, instanceRedis)
		if err == nil {
			part.Redis = &cluster.Redis{Own: true}
		}
		return part, err
	}
	address := net.JoinHostPort(p.Redis.Host, strconv.Itoa(p.Redis.Port))
	part := cluster.Part{Detail: address}
	c, err := redisclient.Parse(p.Redis.AdminURL(), DefaultLimit)
	if err != nil {
		return part, &unaskedError{err}
	}
	defer func() { _ = c.Close() }() // it was read from only
	if err := c.Ping(ctx).Err(); err != nil {
		err = fmt.Errorf("ask Redis: %w", err)
		if isRedisRefusal(err) {
			err = &refusedError{err}
		}
		return part, err
	}
	part.State, part.Redis = cluster.PartReady, &cluster.Redis{Address: address}
	// A server that does not tell who its users are, as managed ones, is ready all the same.
	if err := c.Do(ctx, "ACL", "GETUSER", a.App.Name).Err(); errors.Is(err, redis.Nil) {
		part.State, part.Why = cluster.PartAbsent, "there is no user "+a.App.Name
	}
	return part, nil
}

// instance is a server of the application's own. That the cluster does not let itself be asked says nothing of it.
func (a Asker) instance(ctx context.Context, kind string) (cluster.Part, error) {
	part, err := a.Cluster.Instance(ctx, a.Place, kind)
	if err != nil {
		err = &refusedError{err}
	}
	return part, err
}

// isRedisRefusal tells answers to who is not known, or may not ask (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/).
func isRedisRefusal(err error) bool {
	for _, code := range []string{"WRONGPASS", "NOAUTH", "NOPERM"} {
		if strings.Contains(err.Error(), code+" ") {
			return true
		}
	}
	return false
}

func (a Asker) search(ctx context.Context) (cluster.Part, error) {
	p, err := a.server(ctx, deploy.Servers{Search: true})
	if err != nil {
		return cluster.Part{}, err
	}
	prefix := a.names().IndexPrefix
	if p.Search.Image == "" {
		c, err := searchClient(p.Search.AdminURL())
		if err != nil {
			return cluster.Part{}, err
		}
		return space(ctx, c, prefix)
	}
	part, err := a.instance(ctx, instanceSearch)
	if err != nil || part.State != cluster.PartReady {
		return part, err
	}
	addr, closeTunnel, err := a.Cluster.ReachInstance(ctx, a.Place, instanceSearch, searchPort)
	if err != nil { // who looks may not be allowed to go there; that it is ready is known
		part.Search = &cluster.Search{Own: true, Prefix: prefix}
		return part, nil
	}
	defer func() { _ = closeTunnel() }() // it was read through only
	c, err := searchClient("http://" + addr)
	if err != nil {
		return part, err
	}
	inside, err := indices(ctx, c, prefix)
	if inside.Search != nil {
		inside.Search.Own = true
	}
	inside.Detail = strings.TrimSuffix("own instance, "+inside.Detail, ", ")
	return inside, err
}

func searchClient(url string) (*opensearch.Client, error) {
	c, err := opensearch.New(url, DefaultLimit)
	if err != nil {
		return nil, &unaskedError{err}
	}
	return c, nil
}

// space is what an application has on a server of many. That is marked when it is made, even while there is no index.
func space(ctx context.Context, c *opensearch.Client, prefix string) (cluster.Part, error) {
	part, err := indices(ctx, c, prefix)
	if err != nil || part.State != cluster.PartReady || part.Search.Indices > 0 {
		return part, err
	}
	if owner, err := c.Owner(ctx, prefix); err == nil && owner == "" { // who may not look for the mark has seen the server
		part.State, part.Why = cluster.PartAbsent, "nothing is set up for "+prefix+"*"
	}
	return part, nil
}

// indices says how the cluster is, and what is kept under a prefix.
func indices(ctx context.Context, c *opensearch.Client, prefix string) (cluster.Part, error) {
	part := cluster.Part{}
	content, err := c.Content(ctx, prefix)
	if err != nil {
		if opensearch.IsRefused(err) {
			err = &refusedError{err}
		}
		return part, err
	}
	part.Search = &cluster.Search{Prefix: prefix, Indices: content.Indices, Documents: content.Documents, Bytes: content.Bytes}
	part.State, part.Detail = cluster.PartReady, told(content)
	health, err := c.Health(ctx)
	if opensearch.IsRefused(err) {
		return part, nil
	}
	if err != nil {
		return part, err
	}
	part.Search.Health = health
	part.Detail += ", health " + health
	if health == "red" {
		part.State, part.Why = cluster.PartFailed, "some data cannot be found: not every primary shard is there"
	}
	return part, nil
}

func told(c opensearch.Content) string {
	noun := "indices"
	if c.Indices == 1 {
		noun = "index"
	}
	return fmt.Sprintf("%s %s (%s, %s)", cli.Number(c.Indices), noun, cli.Count(int(c.Documents), "document"), cli.Size(c.Bytes))
}
