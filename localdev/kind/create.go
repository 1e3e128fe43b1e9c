package kind

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/exec"

	"plattr.dev/plattr/localdev/ports"
)

// readyTimeout is how long a new node may take until pods can run on it.
const readyTimeout = 3 * time.Minute

// remake removes what there is of the cluster and makes it, with the data that there are. Without a record from its
// beginning to its end, so that the next run knows when it was cut off.
func (c *Cluster) remake(ctx context.Context, report func(string)) (Record, error) {
	if err := c.removeNode(ctx); err != nil {
		return Record{}, err
	}
	for _, dir := range []string{dataDir, imagesDir} {
		if err := c.dir.MkdirAll(c.dir.Join(dir)); err != nil {
			return Record{}, err
		}
	}
	report("fetching the image of the node")
	if err := pull(ctx, c.Images.Node, "PLATTR_IMAGE_NODE"); err != nil {
		return Record{}, err
	}
	_, missing := docker(ctx, "look for the network", "network", "inspect", network)
	release, err := c.dir.Lock(ctx)
	if err != nil {
		return Record{}, err
	}
	book, err := choosePorts(c.dir)
	release()
	if err != nil {
		return Record{}, err
	}
	report("making the cluster: some twenty seconds")
	if err := c.create(ctx, book); err != nil {
		return Record{}, err
	}
	found, err := inspect(ctx, c.Node())
	if err != nil {
		return Record{}, err
	}
	if found[c.Node()] == nil {
		return Record{}, &BrokenError{c.Name, "its container was removed while it was made"}
	}
	if err := c.remember(Record{Node: found[c.Node()].ID, Network: missing != nil}, book); err != nil {
		return Record{}, err
	}
	return c.Record()
}

// create has Kind make the cluster. Kind cannot be told to end: without its container it fails at its next step.
func (c *Cluster) create(ctx context.Context, book ports.Book) error {
	provider := cluster.NewProvider(cluster.ProviderWithDocker())
	done := make(chan error, 1)
	go func() {
		done <- provider.Create(c.Name, cluster.CreateWithV1Alpha4Config(c.config(book)), cluster.CreateWithWaitForReady(readyTimeout),
			cluster.CreateWithKubeconfigPath(c.KubeconfigPath()), cluster.CreateWithDisplayUsage(false), cluster.CreateWithDisplaySalutation(false))
	}()
	select {
	case err := <-done:
		return c.explain(err)
	case <-ctx.Done():
	}
	clean := context.WithoutCancel(ctx)
	for {
		err := removeContainer(clean, c.Node())
		select {
		case <-done:
			return errors.Join(fmt.Errorf("make the cluster %s: %w", c.Name, context.Cause(ctx)), removeContainer(clean, c.Node()))
		case <-time.After(500 * time.Millisecond):
		}
		if err != nil {
			return err
		}
	}
}

// config is what Kind makes: one node. Images are fetched side by side, which Kubernetes does not do by itself.
func (c *Cluster) config(book ports.Book) *v1alpha4.Cluster {
	node := v1alpha4.Node{
		Role: v1alpha4.ControlPlaneRole, Image: c.Images.Node,
		ExtraMounts: []v1alpha4.Mount{{HostPath: c.Data(), ContainerPath: DataPath}},
	}
	for _, m := range mappings() {
		node.ExtraPortMappings = append(node.ExtraPortMappings, v1alpha4.PortMapping{
			ContainerPort: int32(m.node), HostPort: int32(book[m.key()]), ListenAddress: ports.Host, Protocol: v1alpha4.PortMappingProtocolTCP, //nolint:gosec // ports
		})
	}
	return &v1alpha4.Cluster{
		TypeMeta:             v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Networking:           v1alpha4.Networking{APIServerAddress: ports.Host, APIServerPort: int32(book[string(ports.KubernetesAPI)])}, //nolint:gosec // a port
		Nodes:                []v1alpha4.Node{node},
		KubeadmConfigPatches: []string{"kind: KubeletConfiguration\nserializeImagePulls: false\n"},
	}
}

// CreateError says that Kind could not make the cluster.
type CreateError struct {
	Name string
	Err  error
	// Command is what failed, without its many arguments, and Said what it printed; empty where no command did.
	Command, Said string
}

func (e *CreateError) Error() string {
	cause := fmt.Sprint(e.Err)
	if e.Command != "" {
		cause = e.Command + " failed"
	}
	said := append([]string{"make the cluster " + e.Name + ": " + cause}, lastLines(e.Said, 10)...)
	return strings.Join(said, "\n  ")
}

func (e *CreateError) Unwrap() error { return e.Err }

// Hint is the next step.
func (e *CreateError) Hint() string {
	return "run it again: it begins anew. If it stays so, look at https://kind.sigs.k8s.io/docs/user/known-issues/" + elsewhere
}

// explain gives an error of Kind what the failed command said.
func (c *Cluster) explain(err error) error {
	if err == nil {
		return nil
	}
	failed := &CreateError{Name: c.Name, Err: err}
	if run := exec.RunErrorForError(err); run != nil {
		failed.Command, failed.Said = strings.Join(run.Command[:min(2, len(run.Command))], " "), string(run.Output)
	}
	return failed
}

func lastLines(text string, n int) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-n):]
}

// removeNode removes the cluster, of which there may be less than all. That it is ours was made sure before.
func (c *Cluster) removeNode(ctx context.Context) error {
	if err := c.forget(); err != nil {
		return err
	}
	return removeContainer(ctx, c.Node())
}

// removeContainer removes a container with its unnamed volumes; one that is not there is no error.
func removeContainer(ctx context.Context, name string) error {
	_, err := docker(ctx, "remove container "+name, "rm", "--force", "--volumes", name)
	var failed *DockerError
	if errors.As(err, &failed) && strings.Contains(strings.ToLower(failed.Said), "no such container") {
		return nil
	}
	return err
}

// MakeVolume makes a folder of data below DataPath, owned by the user of the pod that keeps its data there. One that is there
// is whole, because it gets its name last.
func (c *Cluster) MakeVolume(ctx context.Context, name string, user int) error {
	const script = `set -eu; d="$1"; [ ! -d "$d" ] || exit 0; mkdir -p "$(dirname "$d")"; rm -rf "$d.new"; mkdir "$d.new"; ` +
		`chown "$2:$2" "$d.new"; chmod 700 "$d.new"; mv "$d.new" "$d"`
	_, err := docker(ctx, "make the folder of data "+name, "exec", c.Node(), "sh", "-c", script, "sh",
		DataPath+"/"+name, fmt.Sprint(user))
	return err
}

// RemoveVolume deletes a folder of data.
func (c *Cluster) RemoveVolume(ctx context.Context, name string) error {
	_, err := docker(ctx, "delete the folder of data "+name, "exec", c.Node(), "rm", "-rf", DataPath+"/"+name)
	return err
}
