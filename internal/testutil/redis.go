package testutil

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"plattr.dev/plattr/localdev/javaserver"
	"plattr.dev/plattr/localdev/programs"
)

// RedisServer is a Redis of this test binary. Only its administrator may log in, until a test makes users.
type RedisServer struct {
	process

	Host string
	Port int
	// Admin and AdminPassword may do everything.
	Admin, AdminPassword string
}

//nolint:gochecknoglobals // one server per test binary
var sharedRedis = sync.OnceValues(func() (*RedisServer, error) { return newRedis(context.Background()) })

// Redis returns the server that the tests of this binary share: use users and keys of your own.
func Redis(t testing.TB) *RedisServer {
	t.Helper()
	return must(t, "Redis", sharedRedis)
}

// NewRedis starts a server of the test's own, which may be killed and started again.
func NewRedis(t testing.TB) *RedisServer {
	t.Helper()
	r := must(t, "Redis", func() (*RedisServer, error) { return newRedis(t.Context()) })
	t.Cleanup(r.remove)
	return r
}

func newRedis(ctx context.Context) (*RedisServer, error) {
	program, err := programs.Find(ctx, "redis")
	if err != nil {
		return nil, err
	}
	dir, err := newDir("redis")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	r := &RedisServer{Host: "127.0.0.1", Port: port, Admin: "plattr", AdminPassword: random()}
	sum := sha256.Sum256([]byte(r.AdminPassword))
	users := "user default off\nuser " + r.Admin + " on #" + hex.EncodeToString(sum[:]) + " ~* &* +@all\n"
	config := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\naclfile %s\nappendonly yes\nsave \"\"\n", port, dir, filepath.Join(dir, "users.acl"))
	for name, text := range map[string]string{"users.acl": users, "redis.conf": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	r.title, r.dir = "Redis", dir
	r.how = javaserver.Process{Path: program.Bin, Args: []string{filepath.Join(dir, "redis.conf")}, Dir: dir}
	r.ready = dial(net.JoinHostPort(r.Host, strconv.Itoa(port)))
	return r, r.Start(ctx)
}

// URL is a connection URL for a user.
func (r *RedisServer) URL(user, password string) string {
	return fmt.Sprintf("redis://%s:%s@%s/0", user, password, net.JoinHostPort(r.Host, strconv.Itoa(r.Port)))
}
