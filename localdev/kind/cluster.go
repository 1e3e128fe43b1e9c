// Package kind makes and keeps the Kind cluster of this machine, through Kind's library and Docker, and a registry beside it.
// It is one node whose ports are mapped to 127.0.0.1 when it is made, and whose data lie in the state folder, so that they
// outlive it. A cluster that this state folder has not made is never touched.
package kind

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"plattr.dev/plattr/localdev/lockfile"
	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/state"
)

// NameVariable is the setting with the cluster's name, for a second state folder on one machine.
const NameVariable = "PLATTR_CLUSTER"

// DefaultName is the cluster's name without the setting.
const DefaultName = "plattr"

// DataPath is where the node has the folder of data: that it is this state folder's marks the cluster as ours.
const DataPath = "/plattr"

// network is the Docker network of every Kind cluster.
const network = "kind"

// Files in the state folder.
const (
	recordFile = "cluster.json"
	lockFile   = "cluster.lock"
	dataDir    = "data"
	imagesDir  = "registry"
)

// Cluster is the cluster of one state folder, there or not.
type Cluster struct {
	Name   string
	Images Images
	// Patience is how long an API server may take to answer after its node was started.
	Patience time.Duration

	dir state.Dir
}

// Record is what is kept of a cluster that was made to its end.
type Record struct {
	// Node is the ID of its container: another one with its name was made by somebody else, or not to its end.
	Node string `json:"node"`
	// Ports are those of this machine, by use, and by use/slot for those that are per application.
	Ports map[string]int `json:"ports"`
	// Network says that the Docker network was made with it.
	Network bool `json:"network,omitempty"`
}

// Port is where this machine reaches a use; slot is 0 where there is one for all. It is 0 for what is not mapped.
func (r Record) Port(use ports.Use, slot int) int {
	return r.Ports[mapping{use: use, slot: slot}.key()]
}

// Open reads the settings. Nothing is asked or started.
func Open(d state.Dir, getenv func(string) string) (*Cluster, error) {
	images, err := LoadImages(getenv)
	if err != nil {
		return nil, err
	}
	name := cmp.Or(getenv(NameVariable), DefaultName)
	if problems := validation.IsDNS1123Label(name); len(problems) > 0 || len(name) > 40 {
		return nil, fmt.Errorf("%s: %q is no name for a cluster", NameVariable, name)
	}
	return &Cluster{Name: name, Images: images, Patience: patience, dir: d}, nil
}

// Node is the name of the cluster's only node, and of its container.
func (c *Cluster) Node() string { return c.Name + "-control-plane" }

// Registry is the name of the registry's container.
func (c *Cluster) Registry() string { return c.Name + "-registry" }

// Data is the folder of this machine that the node has at DataPath.
func (c *Cluster) Data() string { return c.dir.Join(dataDir) }

// KubeconfigPath is the file for people and their kubectl.
func (c *Cluster) KubeconfigPath() string { return c.dir.Join("kubeconfig") }

// Kubeconfig is its content.
func (c *Cluster) Kubeconfig() (string, error) {
	raw, err := os.ReadFile(c.KubeconfigPath())
	return string(raw), err
}

// Record is the cluster that was made last; the zero value if none was.
func (c *Cluster) Record() (Record, error) {
	var r Record
	err := c.dir.ReadJSON(recordFile, &r)
	return r, err
}

// Lock keeps every other plattr of this state folder from the cluster until release is called.
func (c *Cluster) Lock(ctx context.Context) (release func(), err error) {
	release, err = lockfile.Lock(ctx, c.dir.Join(lockFile))
	if err != nil {
		return nil, fmt.Errorf("use the cluster %s: %w", c.Name, err)
	}
	return release, nil
}

// ForeignError says that the cluster, or the registry, of our name belongs to somebody else.
type ForeignError struct{ Container string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("container %s was not made by plattr from this state folder, and is left alone", e.Container)
}

// Hint is the next step.
func (e *ForeignError) Hint() string {
	return "set " + NameVariable + " to another name for plattr's cluster, or remove the container yourself" + elsewhere
}

// BrokenError says that the cluster is there and does not work.
type BrokenError struct {
	Name string
	Why  string
}

func (e *BrokenError) Error() string { return "cluster " + e.Name + " does not work: " + e.Why }

// Hint is the next step.
func (e *BrokenError) Hint() string {
	return "plattr dev --new-cluster makes it anew; the data of the services stay"
}

// condition is what a cluster's container says about it.
type condition int

const (
	absent condition = iota
	foreign
	halfMade
	stopped
	running
)

// judge tells the condition of the node. It is pure.
func (c *Cluster) judge(node *container, r Record) condition {
	switch {
	case node == nil:
		return absent
	case !c.owns(node, DataPath, c.Data()) || node.Config.Labels["io.x-k8s.kind.cluster"] != c.Name:
		return foreign
	case node.ID != r.Node || !c.mapsAll(r):
		return halfMade
	case !node.State.Running:
		return stopped
	}
	return running
}

// owns tells whether a container has a folder of ours.
func (c *Cluster) owns(one *container, path, folder string) bool {
	source := one.mounted(path)
	if source == "" {
		return false
	}
	real, err := filepath.EvalSymlinks(folder)
	if err != nil {
		real = folder
	}
	// Docker Desktop may put the path of its virtual machine before it.
	return source == folder || source == real || source == "/host_mnt"+real
}

// mapsAll tells whether a cluster has every port that this plattr wants; one of an earlier plattr may not.
func (c *Cluster) mapsAll(r Record) bool {
	return !slices.ContainsFunc(mappings(), func(m mapping) bool { return r.Ports[m.key()] == 0 })
}

// Ensure returns a cluster that answers, after making or starting it where it does not run, and the registry beside it. The
// caller holds the lock. report is told what happens.
func (c *Cluster) Ensure(ctx context.Context, report func(string)) (Record, error) {
	if err := remote(); err != nil {
		return Record{}, err
	}
	r, err := c.Record()
	if err != nil {
		return r, err
	}
	found, err := inspect(ctx, c.Node(), c.Registry())
	if err != nil {
		return r, err
	}
	if one := found[c.Registry()]; one != nil && !c.owns(one, registryData, c.dir.Join(imagesDir)) {
		return r, &ForeignError{c.Registry()}
	}
	node := found[c.Node()]
	switch state := c.judge(node, r); state {
	case foreign:
		return r, &ForeignError{c.Node()}
	case absent, halfMade:
		if state == halfMade {
			report("removing what a run left that was cut off")
		}
		if r, err = c.remake(ctx, report); err != nil {
			return r, err
		}
	case stopped:
		if r, err = c.start(ctx, r, report); err != nil {
			return r, err
		}
	case running:
	}
	if err := c.ensureRegistry(ctx, found[c.Registry()], report); err != nil {
		return r, err
	}
	return r, c.await(ctx)
}

// start starts a node that was stopped, as by a restart of the machine. Where its ports are taken meanwhile it is made anew,
// with others and the same data.
func (c *Cluster) start(ctx context.Context, r Record, report func(string)) (Record, error) {
	if busy := taken(r.Ports); len(busy) > 0 {
		slices.Sort(busy)
		report(fmt.Sprintf("making the cluster anew: something else has port %d", busy[0]))
		return c.remake(ctx, report)
	}
	report("starting the cluster")
	if _, err := docker(ctx, "start the cluster "+c.Name, "start", c.Node()); err != nil {
		return r, err
	}
	return r, nil
}

// patience is that of a cluster without a setting: a slow machine needs most of it.
const patience = 2 * time.Minute

// await waits for the API server.
func (c *Cluster) await(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	for {
		api, err := c.API()
		if err == nil {
			err = api.Ready(limited)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the cluster %s: %w", c.Name, context.Cause(ctx))
		case <-limited.Done():
			return &BrokenError{c.Name, fmt.Sprintf("its API server does not answer after %s: %v", c.Patience, err)}
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Remake makes the cluster anew with the same data. The caller holds the lock.
func (c *Cluster) Remake(ctx context.Context, report func(string)) error {
	if err := remote(); err != nil {
		return err
	}
	if err := c.mustBeOurs(ctx); err != nil {
		return err
	}
	if _, err := c.remake(ctx, report); err != nil {
		return err
	}
	_, err := c.Ensure(ctx, report)
	return err
}

func (c *Cluster) mustBeOurs(ctx context.Context) error {
	found, err := inspect(ctx, c.Node(), c.Registry())
	if err != nil {
		return err
	}
	if node := found[c.Node()]; node != nil && c.judge(node, Record{}) == foreign {
		return &ForeignError{c.Node()}
	}
	if one := found[c.Registry()]; one != nil && !c.owns(one, registryData, c.dir.Join(imagesDir)) {
		return &ForeignError{c.Registry()}
	}
	return nil
}

// Running tells whether the node's container runs; false where there is none.
func (c *Cluster) Running(ctx context.Context) (bool, error) {
	r, err := c.Record()
	if err != nil || r.Node == "" {
		return false, err
	}
	found, err := inspect(ctx, c.Node())
	if err != nil {
		return false, err
	}
	return c.judge(found[c.Node()], r) == running, nil
}

// stopSeconds is how long the node may take to stop before it is killed: PostgreSQL loses nothing by that.
const stopSeconds = "10"

// Stop stops cluster and registry. The data stay. The caller holds the lock.
func (c *Cluster) Stop(ctx context.Context) error {
	found, err := inspect(ctx, c.Node(), c.Registry())
	if err != nil {
		return err
	}
	if err := c.mustBeOurs(ctx); err != nil {
		return err
	}
	args := []string{"stop", "--time", stopSeconds}
	for _, one := range found {
		if one.State.Running {
			args = append(args, one.ID)
		}
	}
	if len(args) == 3 {
		return nil
	}
	_, err = docker(ctx, "stop the cluster "+c.Name, args...)
	return err
}

// Destroy deletes cluster, registry and data, and the network if it was made with them and nobody else is on it.
func (c *Cluster) Destroy(ctx context.Context) error {
	r, err := c.Record()
	if err != nil {
		return err
	}
	if err := c.mustBeOurs(ctx); err != nil {
		return err
	}
	if err := c.removeNode(ctx); err != nil {
		return err
	}
	if err := removeContainer(ctx, c.Registry()); err != nil {
		return err
	}
	if r.Network {
		_, _ = docker(ctx, "remove the network", "network", "rm", network) // another cluster may be on it
	}
	return c.removeData(ctx)
}

// removeData deletes the folder of data. Some of it belongs to the users of the pods: who may not delete that has a container
// do it.
func (c *Cluster) removeData(ctx context.Context) error {
	err := errors.Join(os.RemoveAll(c.Data()), os.RemoveAll(c.dir.Join(imagesDir)))
	if !errors.Is(err, os.ErrPermission) {
		return err
	}
	for _, dir := range []string{c.Data(), c.dir.Join(imagesDir)} {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		_, err := docker(ctx, "delete the data in "+dir, "run", "--rm", "--network", "none", "--entrypoint", "sh",
			"-v", dir+":/data", c.Images.Node, "-c", "find /data -mindepth 1 -delete")
		if err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// forget deletes the record: what is there from now on was not made to its end.
func (c *Cluster) forget() error {
	for _, file := range []string{c.dir.Join(recordFile), c.KubeconfigPath()} {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (c *Cluster) remember(r Record, book ports.Book) error {
	r.Ports = maps.Clone(book)
	delete(r.Ports, string(ports.Registry)) // it has a container of its own
	return c.dir.WriteJSON(recordFile, r)
}
