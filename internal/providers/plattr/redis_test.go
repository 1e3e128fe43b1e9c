package plattr

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"plattr.dev/plattr/internal/providers/plattr/redisclient"
	"plattr.dev/plattr/internal/providers/plattr/sdk"
	"plattr.dev/plattr/internal/testutil"
)

func redisProvider(t *testing.T, s *testutil.RedisServer, stack string) *testutil.Provider {
	t.Helper()
	return testutil.NewProvider(t, New(), stack, inputs{"redisUrl": s.URL(s.Admin, s.AdminPassword)})
}

func redisAs(t *testing.T, s *testutil.RedisServer, user, password string) *redis.Client {
	t.Helper()
	c, err := redisclient.Parse(s.URL(user, password), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestRedisUser is a user's life: made, adopted, changed by a person and put back, rotated, deleted.
func TestRedisUser(t *testing.T) {
	t.Parallel()
	s := testutil.NewRedis(t)
	p, admin := redisProvider(t, s, "mine"), redisAs(t, s, s.Admin, s.AdminPassword)
	in := inputs{"name": "shop", "password": "first-password"}
	u := p.MustCreate(t, sdk.RedisUserType, in)
	if !u.Outputs["password"].IsSecret() {
		t.Error("the password is not secret")
	}
	mine := redisAs(t, s, "shop", "first-password")
	rights := map[string]struct {
		command []any
		allowed bool
	}{
		"Set": {[]any{"SET", "k", "v"}, true}, "Keys": {[]any{"KEYS", "*"}, true}, "Flush": {[]any{"FLUSHDB"}, true},
		"Info": {[]any{"INFO"}, true}, "ConfigGet": {[]any{"CONFIG", "GET", "maxmemory"}, true},
		"Client": {[]any{"CLIENT", "SETNAME", "x"}, true}, "Publish": {[]any{"PUBLISH", "c", "m"}, true},
		"Script": {[]any{"EVAL", "return 1", "0"}, true}, "ConfigSet": {[]any{"CONFIG", "SET", "maxmemory", "1gb"}, false},
		"Users": {[]any{"ACL", "LIST"}, false}, "Shutdown": {[]any{"SHUTDOWN"}, false}, "Replica": {[]any{"REPLICAOF", "a", "1"}, false},
	}
	for name, tc := range rights {
		err := mine.Do(t.Context(), tc.command...).Err()
		if refused := err != nil && strings.HasPrefix(err.Error(), "NOPERM"); refused == tc.allowed {
			t.Errorf("%s: %v, allowed: %t", name, err, tc.allowed)
		}
	}
	p.MustCreate(t, sdk.RedisUserType, in) // a run that was killed before it could note what it made
	if !u.Refresh() || len(u.Diff(in)) > 0 {
		t.Errorf("unchanged, but %v differ", u.Diff(in))
	}
	for what, change := range map[string]struct {
		rule, key string
	}{"rights": {"+@admin", "rights"}, "password": {">another", "password"}, "switch": {"off", "rights"}} {
		if err := admin.Do(t.Context(), "ACL", "SETUSER", "shop", change.rule).Err(); err != nil {
			t.Fatal(err)
		}
		if !u.Refresh() || strings.Join(u.Diff(in), ",") != change.key {
			t.Errorf("a change of the %s: %v differ, want %s", what, u.Diff(in), change.key)
		}
		if err := u.Update(in); err != nil {
			t.Fatal(err)
		}
		if !u.Refresh() || len(u.Diff(in)) > 0 {
			t.Errorf("after the repair of the %s %v differ", what, u.Diff(in))
		}
	}
	if err := u.Update(inputs{"name": "shop", "password": "second-password"}); err != nil {
		t.Fatal(err)
	}
	if err := redisAs(t, s, "shop", "first-password").Ping(t.Context()).Err(); err == nil {
		t.Error("the old password is still good")
	}
	s.Kill() // the users are saved
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := redisAs(t, s, "shop", "second-password").Ping(t.Context()).Err(); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if now := (inputs{"name": "shop", "password": "second-password"}); !u.Refresh() || len(u.Diff(now)) > 0 {
		t.Errorf("after a restart %v differ", u.Diff(now))
	}
	for range 2 {
		if err := u.Delete(); err != nil {
			t.Fatal(err)
		}
	}
	if u.Refresh() {
		t.Error("it is still there")
	}
}

// TestRedisFlush holds that data goes with the user where that is asked for, and only there.
func TestRedisFlush(t *testing.T) {
	t.Parallel()
	s := testutil.NewRedis(t)
	p, admin := redisProvider(t, s, "mine"), redisAs(t, s, s.Admin, s.AdminPassword)
	for name, tc := range map[string]struct {
		in   inputs
		left int64
	}{
		"Keep":  {inputs{"name": "shop", "password": "a"}, 1},
		"Flush": {inputs{"name": "shop", "password": "a", "flush": true}, 0},
	} {
		u := p.MustCreate(t, sdk.RedisUserType, tc.in)
		if err := redisAs(t, s, "shop", "a").Set(t.Context(), "k", "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if len(u.Diff(tc.in)) > 0 {
			t.Errorf("%s: %v differ", name, u.Diff(tc.in))
		}
		if err := u.Delete(); err != nil {
			t.Fatal(err)
		}
		if left, err := admin.DBSize(t.Context()).Result(); err != nil || left != tc.left {
			t.Errorf("%s: %d keys are left, want %d; %v", name, left, tc.left, err)
		}
	}
}

func TestRedisUserOfOthers(t *testing.T) {
	t.Parallel()
	s := testutil.Redis(t)
	admin := redisAs(t, s, s.Admin, s.AdminPassword)
	person, theirs := testutil.Unique("person"), testutil.Unique("theirs")
	if err := admin.Do(t.Context(), "ACL", "SETUSER", person, "on", ">pw").Err(); err != nil {
		t.Fatal(err)
	}
	other := redisProvider(t, s, "other").MustCreate(t, sdk.RedisUserType, inputs{"name": theirs, "password": "theirs-password"})
	p := redisProvider(t, s, "mine")
	for _, name := range []string{person, theirs} {
		_, err := p.Create(t, sdk.RedisUserType, inputs{"name": name, "password": "mine-password"})
		var foreign *ForeignError
		if !errors.As(err, &foreign) {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	if err := redisAs(t, s, theirs, "theirs-password").Ping(t.Context()).Err(); err != nil {
		t.Errorf("the other stack's user: %v", err)
	}
	stolen := *other
	stolen.Outputs = other.Outputs.Copy()
	if err := admin.Do(t.Context(), "ACL", "SETUSER", theirs, "reset", "on", ">pw").Err(); err != nil { // a person's now
		t.Fatal(err)
	}
	if stolen.Refresh() {
		t.Error("a person's user passes for the stack's")
	}
	if err := other.Delete(); err != nil {
		t.Fatal(err)
	}
	if err := redisAs(t, s, theirs, "pw").Do(t.Context(), "AUTH", theirs, "pw").Err(); err != nil && !strings.HasPrefix(err.Error(), "NOPERM") {
		t.Errorf("a person's user was deleted: %v", err)
	}
}

func TestRedisBadInput(t *testing.T) {
	t.Parallel()
	p := testutil.NewProvider(t, New(), "mine", inputs{})
	for name, tc := range map[string]struct {
		in   inputs
		want string
	}{
		"NoServer":   {inputs{"name": "a", "password": "b"}, "no redisUrl"},
		"NoName":     {inputs{"name": "", "password": "b"}, "name"},
		"Default":    {inputs{"name": "default", "password": "b"}, "name"},
		"Space":      {inputs{"name": "a b", "password": "b"}, "name"},
		"NoPassword": {inputs{"name": "a", "password": ""}, "password"},
	} {
		if _, err := p.Create(t, sdk.RedisUserType, tc.in); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	if _, err := parseRedis("redis://u:very-secret@h:port", time.Second); err == nil || strings.Contains(err.Error(), "very-secret") {
		t.Errorf("a URL that cannot be read: %v", err)
	}
}

// TestRedisThatStarts: a run begins while the server is still starting, and the server is started again in the middle.
func TestRedisThatStarts(t *testing.T) {
	t.Parallel()
	s := testutil.NewRedis(t)
	p := redisProvider(t, s, "mine")
	s.Kill()
	var wg sync.WaitGroup
	wg.Go(func() { p.MustCreate(t, sdk.RedisUserType, inputs{"name": "shop", "password": "secret"}) })
	time.Sleep(200 * time.Millisecond)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if err := redisAs(t, s, "shop", "secret").Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}
