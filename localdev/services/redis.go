package services

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"plattr.dev/plattr/internal/providers/plattr/redisclient"
	"plattr.dev/plattr/localdev/ports"
)

// pingTimeout bounds one question whether Redis is ready.
const pingTimeout = 5 * time.Second

// RedisAdmin is plattr's own user in every application's Redis; it makes the application's.
const RedisAdmin = "plattr"

func prepareRedis(ctx context.Context, p Place, s Spec) (Command, error) {
	secrets, err := p.State.Secrets(ctx)
	if err != nil {
		return Command{}, err
	}
	data, users := filepath.Join(p.Dir, "data"), filepath.Join(p.Dir, "users.acl")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return Command{}, fmt.Errorf("make Redis's folder: %w", err)
	}
	if err := prepareUsers(users, secrets.RedisAdmin); err != nil {
		return Command{}, fmt.Errorf("write Redis's users: %w", err)
	}
	file := filepath.Join(p.Dir, "redis.conf")
	if err := writeIfChanged(file, redisConfig(s.Ports[ports.Redis], data, users)); err != nil {
		return Command{}, fmt.Errorf("write Redis's configuration: %w", err)
	}
	return Command{Path: s.Program, Args: []string{file}, Env: cleanEnv(p.Dir), Dir: p.Dir}, nil
}

// redisConfig keeps every write in the append-only file before it is answered, so that a killed server forgets nothing;
// the disk gets it within a second.
func redisConfig(port int, data, users string) []byte {
	var b bytes.Buffer
	for _, set := range [][2]string{
		{"bind", ports.Host},
		{"port", strconv.Itoa(port)},
		{"dir", strconv.Quote(data)},
		{"aclfile", strconv.Quote(users)},
		{"appendonly", "yes"},
		{"appendfsync", "everysec"},
		{"save", `""`},
		{"auto-aof-rewrite-min-size", "16mb"},
		{"loglevel", "warning"},
	} {
		fmt.Fprintf(&b, "%s %s\n", set[0], set[1])
	}
	return b.Bytes()
}

// prepareUsers gives the administrator the password that this machine's secrets hold, and leaves the other users as Redis
// saved them. The password is there as a SHA-256 only (https://redis.io/docs/latest/commands/acl-setuser).
func prepareUsers(file, password string) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var b bytes.Buffer
	b.WriteString(RedisUsers(password))
	for line := range strings.Lines(string(old)) {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[0] == "user" && fields[1] != "default" && fields[1] != RedisAdmin {
			b.WriteString(strings.TrimRight(line, "\n") + "\n")
		}
	}
	return writeIfChanged(file, b.Bytes())
}

// RedisUsers are the lines of plattr's own users: the administrator, with a SHA-256 in place of the password.
func RedisUsers(password string) string {
	sum := sha256.Sum256([]byte(password))
	return fmt.Sprintf("user default off\nuser %s on #%s ~* &* +@all\n", RedisAdmin, hex.EncodeToString(sum[:]))
}

// readyRedis logs in. A server that still loads its data says so.
func readyRedis(ctx context.Context, p Place, s Spec) error {
	secrets, err := p.State.Secrets(ctx)
	if err != nil {
		return err
	}
	client := redisclient.New(s.Address(ports.Redis), RedisAdmin, secrets.RedisAdmin, pingTimeout)
	defer client.Close() //nolint:errcheck // nothing is buffered
	if err := client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	return nil
}
