package localdev

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"plattr.dev/plattr/localdev/state"
)

// stranger listens where a service of ours was, takes everything and says nothing.
type stranger struct {
	mu    sync.Mutex
	heard strings.Builder
}

// takePorts lets strangers have the ports of all services, which must be stopped. They leave at the end of the test, or when
// the returned function is called, which tells what they heard.
func takePorts(t *testing.T, ports []int) (leave func() string) {
	t.Helper()
	s := &stranger{}
	var listeners []net.Listener
	for _, port := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, l)
		go s.listen(l)
	}
	leave = func() string {
		for _, l := range listeners {
			_ = l.Close()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.heard.String()
	}
	t.Cleanup(func() { leave() })
	return leave
}

func (s *stranger) listen(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, 4096)
			for {
				n, err := conn.Read(buf)
				s.mu.Lock()
				s.heard.WriteString(string(buf[:n]))
				s.mu.Unlock()
				if errors.Is(err, io.EOF) || err != nil {
					return
				}
			}
		}()
	}
}

// allPorts are those of the services that run.
func allPorts(t *testing.T, n *Native) []int {
	t.Helper()
	status, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ports []int
	for _, s := range status.Services {
		for _, port := range s.Ports {
			ports = append(ports, port)
		}
	}
	return ports
}

// TestTakenPorts: between two runs somebody else takes the ports of every service. The application follows its servers to
// where they are then, keeps its data, and nobody at the old ports hears anything: an administrator's password least of all.
func TestTakenPorts(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(room(t), "state")
	n := nativeAt(t, dir)
	d := devAt(t, dir, t.TempDir(), whole("shop"))
	first := up(t, d)
	exec(t, connect(t, first.Connections.DatabaseURL), "create table kept (x int)", "insert into kept values (1)")
	take := func() func() string {
		t.Helper()
		ports := allPorts(t, n)
		if err := n.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		return takePorts(t, ports)
	}
	secrets, err := n.state.Secrets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// (Other tests may look for services of their own there.)
	ours := []string{
		secrets.KeycloakClient, secrets.KeycloakAdmin, secrets.RedisAdmin, secrets.S3AccessKey, "plattr_admin", "client_id=plattr",
		"shop_app", "shop_rest",
	}
	silent := func(leave func() string) {
		t.Helper()
		heard := leave()
		for _, word := range ours {
			if strings.Contains(heard, word) {
				t.Errorf("strangers heard %q in %q", word, heard)
			}
		}
	}

	leave := take()
	db, err := d.Database(t.Context(), Reports{}) // not only plattr dev follows
	if err != nil {
		t.Fatal(err)
	}
	if db.DatabaseURL == first.Connections.DatabaseURL {
		t.Error("the database has not moved")
	}
	second := up(t, d)
	if len(second.Drift) > 0 {
		t.Errorf("what moved counts as deleted or changed: %v", second.Drift)
	}
	var x int
	if err := connect(t, second.Connections.DatabaseURL).QueryRow(t.Context(), "select x from kept").Scan(&x); err != nil {
		t.Errorf("the data: %v", err)
	}
	mustSignIn(t, demo(second))
	if again := up(t, d); again.Changed() {
		t.Errorf("another run changes %v", again.Changes)
	}
	silent(leave)

	leave = take()
	if _, err := d.Destroy(context.WithoutCancel(t.Context()), Reports{}); err != nil {
		t.Fatal(err)
	}
	silent(leave)
	all := ensure(t, n, Needs{PostgreSQL: true, Keycloak: true})
	if left := realms(console(t, n, all)); len(left) != 1 {
		t.Errorf("realms left: %v", left)
	}
}

// TestAnotherProject: a directory with an application of the same name is refused by everything that reaches data.
func TestAnotherProject(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(room(t), "state")
	nativeAt(t, dir) // ends what runs
	app := shop()
	app.Spec.Redis = whole("shop").Spec.Redis
	up(t, devAt(t, dir, t.TempDir(), app))
	other := devAt(t, dir, t.TempDir(), app)
	for name, do := range map[string]func() error{
		"Up":         func() error { _, err := other.Up(t.Context(), Reports{}); return err },
		"Database":   func() error { _, err := other.Database(t.Context(), Reports{}); return err },
		"ResetRedis": func() error { _, err := other.ResetRedis(t.Context(), Reports{}); return err },
		"Copy":       func() error { _, err := other.Copy(t.Context(), Reports{}, Output{}); return err },
		"Destroy":    func() error { _, err := other.Destroy(t.Context(), Reports{}); return err },
	} {
		var taken *state.NameTakenError
		if err := do(); !errors.As(err, &taken) {
			t.Errorf("%s of another project: %v", name, err)
		}
	}
}
