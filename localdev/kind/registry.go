package kind

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"plattr.dev/plattr/localdev/ports"
)

// registryData is where the registry's image keeps what was pushed.
const registryData = "/var/lib/registry"

// registryPort is where it listens in its container.
const registryPort = "5000"

// RegistryAddress is host:port under which the registry is known, on this machine and to the nodes alike.
func (c *Cluster) RegistryAddress() (string, error) {
	book, err := ports.Load(c.dir)
	if err != nil {
		return "", err
	}
	return "localhost:" + strconv.Itoa(book[string(ports.Registry)]), nil
}

// ensureRegistry starts the registry, and tells the node's containerd where it is. old is its container; nil where there is
// none. It comes after the node, which so gets the address that it had.
func (c *Cluster) ensureRegistry(ctx context.Context, old *container, report func(string)) error {
	if old == nil || !old.State.Running {
		report("starting the registry")
		if err := c.startRegistry(ctx, old); err != nil {
			return err
		}
	}
	if old == nil || old.NetworkSettings.Networks[network].NetworkID == "" {
		_, err := docker(ctx, "connect the registry to the cluster", "network", "connect", network, c.Registry())
		if err != nil && !strings.Contains(err.Error(), "already exists") {
			return err
		}
	}
	address, err := c.RegistryAddress()
	if err != nil {
		return err
	}
	// https://github.com/containerd/containerd/blob/main/docs/hosts.md; containerd reads it at every pull.
	const script = `set -eu; d="/etc/containerd/certs.d/$1"; mkdir -p "$d"; printf '[host."http://%s"]\n' "$2" >"$d/hosts.toml"`
	_, err = docker(ctx, "tell the cluster where its registry is", "exec", c.Node(), "sh", "-c", script, "sh",
		address, c.Registry()+":"+registryPort)
	return err
}

// startRegistry starts a stopped registry where its port is still free, else makes it anew; what was pushed stays.
func (c *Cluster) startRegistry(ctx context.Context, old *container) error {
	release, err := c.dir.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	book, err := ports.Load(c.dir)
	if err != nil {
		return err
	}
	if old != nil && ports.Free(book[string(ports.Registry)]) {
		_, err := docker(ctx, "start the registry", "start", c.Registry())
		return err
	}
	if old != nil {
		if err := removeContainer(ctx, c.Registry()); err != nil {
			return err
		}
	}
	port, err := book.Choose(ports.Registry, "")
	if err != nil {
		return err
	}
	if err := book.Save(c.dir); err != nil {
		return err
	}
	if err := pull(ctx, c.Images.Registry, "PLATTR_IMAGE_REGISTRY"); err != nil {
		return err
	}
	_, err = docker(ctx, "start the registry", "run", "--detach", "--name", c.Registry(), "--network", network,
		"--publish", fmt.Sprintf("%s:%d:%s", ports.Host, port, registryPort), "--volume", c.dir.Join(imagesDir)+":"+registryData,
		"--label", "dev.plattr.cluster="+c.Name, c.Images.Registry)
	if err != nil { // without a port, docker leaves a container that never ran
		_ = removeContainer(context.WithoutCancel(ctx), c.Registry())
	}
	return err
}
