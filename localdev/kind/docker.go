package kind

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"
)

// dockerEnd is how long a docker command may take to end after it was told to.
const dockerEnd = 2 * time.Second

// DockerError says that Docker could not do something.
type DockerError struct {
	// What was asked, as "start container plattr-control-plane".
	What string
	// Said is what docker printed.
	Said string
	Err  error
}

func (e *DockerError) Error() string {
	switch {
	case errors.Is(e.Err, exec.ErrNotFound):
		return "the runtime kind needs Docker, and there is no docker on PATH"
	case e.denied():
		return "the runtime kind needs Docker, and this user may not use it"
	case e.unreachable():
		return "the runtime kind needs Docker, and no Docker daemon answers"
	}
	return fmt.Sprintf("%s: %s", e.What, firstLine(e.Said, e.Err))
}

func (e *DockerError) Unwrap() error { return e.Err }

// elsewhere is the way out of every machine without Docker.
const elsewhere = ", or do without: plattr dev --runtime native"

// Hint is the next step.
func (e *DockerError) Hint() string {
	switch {
	case errors.Is(e.Err, exec.ErrNotFound):
		return "install Docker" + elsewhere
	case e.denied():
		return `sudo usermod -aG docker "$USER" and log in again` + elsewhere
	case e.unreachable():
		return "start Docker (or set DOCKER_HOST to the socket of one that runs)" + elsewhere
	case strings.Contains(e.Said, "no space left on device"):
		return "make room on Docker's disk: docker system df says what is in it"
	}
	return ""
}

func (e *DockerError) denied() bool {
	return strings.Contains(e.Said, "permission denied") && strings.Contains(e.Said, "docker API") ||
		strings.Contains(e.Said, "permission denied while trying to connect")
}

func (e *DockerError) unreachable() bool {
	for _, text := range []string{"Cannot connect to the Docker daemon", "failed to connect to the docker API", "error during connect"} {
		if strings.Contains(e.Said, text) {
			return true
		}
	}
	return false
}

func firstLine(said string, err error) string {
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(strings.TrimPrefix(line, "Error response from daemon: ")); line != "" {
			return line
		}
	}
	return fmt.Sprint(err)
}

// docker runs a command and returns what it printed. Kind's library does the same, with the environment of this process.
func docker(ctx context.Context, what string, args ...string) (string, error) {
	return dockerWith(ctx, what, nil, args...)
}

func dockerWith(ctx context.Context, what string, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.WaitDelay = dockerEnd
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &said
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	if err != nil {
		return out.String(), &DockerError{What: what, Said: said.String(), Err: err}
	}
	return out.String(), nil
}

// container is what `docker inspect` tells of one.
type container struct {
	ID    string `json:"Id"`
	Name  string
	State struct {
		Running bool
		Status  string
	}
	Config struct {
		Image  string
		Labels map[string]string
	}
	Mounts          []struct{ Source, Destination string }
	NetworkSettings struct {
		Networks map[string]struct{ NetworkID string }
	}
}

// mounted is the folder of this machine that a container has at a path; empty: none.
func (c *container) mounted(path string) string {
	for _, m := range c.Mounts {
		if m.Destination == path {
			return m.Source
		}
	}
	return ""
}

// inspect looks at containers; those that are not there are not in the answer.
func inspect(ctx context.Context, names ...string) (map[string]*container, error) {
	out, err := docker(ctx, "look at the containers", append([]string{"container", "inspect"}, names...)...)
	var failed *DockerError
	if errors.As(err, &failed) && strings.Contains(strings.ToLower(failed.Said), "no such container") {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	var found []*container
	if err := json.Unmarshal([]byte(out), &found); err != nil && strings.TrimSpace(out) != "" {
		return nil, fmt.Errorf("look at the containers: docker says what cannot be read: %w", err)
	}
	all := map[string]*container{}
	for _, c := range found {
		all[strings.TrimPrefix(c.Name, "/")] = c
	}
	return all, nil
}

// remote refuses a Docker of another machine: the cluster's data, and the ports on which it is reached, are of this one.
func remote() error {
	u, err := url.Parse(os.Getenv("DOCKER_HOST"))
	if err != nil || u.Scheme == "" || u.Scheme == "unix" || u.Scheme == "npipe" {
		return nil
	}
	if host := u.Hostname(); host == "localhost" || host == "127.0.0.1" || host == "::1" {
		return nil
	}
	return &RemoteError{Host: os.Getenv("DOCKER_HOST")}
}

// RemoteError says that DOCKER_HOST is another machine.
type RemoteError struct{ Host string }

func (e *RemoteError) Error() string {
	return "the runtime kind keeps its data on this machine, and DOCKER_HOST is another one: " + e.Host
}

// Hint is the next step.
func (e *RemoteError) Hint() string { return "unset DOCKER_HOST" + elsewhere }

// Available tells whether there is a Docker that can run the cluster.
func Available(ctx context.Context) error {
	if err := remote(); err != nil {
		return err
	}
	_, err := docker(ctx, "ask Docker for its version", "version", "--format", "{{.Server.Version}}")
	return err
}

// pull fetches an image that the daemon has not.
func pull(ctx context.Context, image, variable string) error {
	if _, err := docker(ctx, "look for image "+image, "image", "inspect", "--format", "{{.Id}}", image); err == nil {
		return nil
	} else if failed := (*DockerError)(nil); !errors.As(err, &failed) || !strings.Contains(strings.ToLower(failed.Said), "no such image") {
		return err
	}
	_, err := docker(ctx, "fetch image "+image, "pull", "--quiet", image)
	var failed *DockerError
	if errors.As(err, &failed) && failed.Hint() == "" {
		return &ImageError{Image: image, Variable: variable, Err: err}
	}
	return err
}

// ImageError says that an image could not be fetched.
type ImageError struct {
	Image, Variable string
	Err             error
}

func (e *ImageError) Error() string { return e.Err.Error() }
func (e *ImageError) Unwrap() error { return e.Err }

// Hint is the next step.
func (e *ImageError) Hint() string {
	return "check the network, or set " + e.Variable + " to an image that this machine can fetch"
}
