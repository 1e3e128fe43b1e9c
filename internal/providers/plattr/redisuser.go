package plattr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"plattr.dev/plattr/internal/lostconn"
	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/plattr/redisclient"
)

// RedisUserArgs are the inputs of plattr:index:RedisUser: an application's login to a Redis that is its alone. The user
// may do everything with the data and nothing with the server.
type RedisUserArgs struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	// Flush deletes what the server holds, all of it, with the user.
	Flush bool `json:"flush,omitempty"`
	// Rights is filled in by the provider: redisRights, and after a Read what differs from it.
	Rights string `json:"rights,omitempty"`
}

// RedisUserState is what is kept of a user.
type RedisUserState struct {
	RedisUserArgs

	// ACL is the user's rights in the server's own words, to tell a change of them.
	ACL string `json:"acl"`
}

// redisRights are the rules of the user (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl).
// CLIENT and CONFIG GET belong to @admin, and client libraries call them.
const redisRights = "~* &* +@all -@admin +client +config|get"

// ForeignError says that a thing with a wanted name is there and is not this stack's.
type ForeignError struct {
	// Kind is Redis user or index prefix.
	Kind, Name string
	// Owner is the other stack, where it is known.
	Owner string
}

func (e *ForeignError) Error() string {
	if e.Owner == "" {
		return fmt.Sprintf("%s %s exists and was not made by this stack", e.Kind, e.Name)
	}
	return fmt.Sprintf("%s %s exists and belongs to another stack (%s)", e.Kind, e.Name, e.Owner)
}

func redisUserType() *embedded.Type[client, RedisUserArgs, RedisUserState] {
	return &embedded.Type[client, RedisUserArgs, RedisUserState]{
		Token:   "plattr:index:RedisUser",
		Replace: []string{"name"}, Secret: []string{"password"},
		Check: checkRedisUser,
		Create: func(ctx context.Context, c client, op embedded.Op, a RedisUserArgs) (string, RedisUserState, error) {
			s, err := c.setRedisUser(ctx, op, a)
			return a.Name, s, err
		},
		Read: readRedisUser,
		Update: func(ctx context.Context, c client, op embedded.Op, _ string, _ RedisUserState, a RedisUserArgs) (RedisUserState, error) {
			return c.setRedisUser(ctx, op, a)
		},
		Delete: deleteRedisUser,
	}
}

func checkRedisUser(a *RedisUserArgs) []embedded.Problem {
	a.Rights = redisRights
	var problems []embedded.Problem
	if a.Name == "" || a.Name == "default" || strings.ContainsAny(a.Name, " \t\r\n\x00") {
		problems = append(problems, embedded.Problem{Input: "name", Reason: fmt.Sprintf("%q is no name for a user of Redis", a.Name)})
	}
	if a.Password == "" {
		problems = append(problems, embedded.Problem{Input: "password", Reason: "is required"})
	}
	return problems
}

// redisServer is where users are made.
type redisServer struct {
	url     string
	timeout time.Duration
}

func parseRedis(url string, timeout time.Duration) (*redisServer, error) {
	conn, err := redisclient.Parse(url, timeout)
	if err != nil {
		return nil, err
	}
	_ = conn.Close() // it was never opened: only the URL is checked here
	return &redisServer{url: url, timeout: timeout}, nil
}

// errNoRedis is a configuration without a server to make users on.
var errNoRedis = errors.New("the plattr provider has no redisUrl")

// onRedis runs f on a connection of its own, once the server answers: it may just be starting.
func (c client) onRedis(ctx context.Context, f func(ctx context.Context, r *redis.Client) error) error {
	if c.redis == nil {
		return errNoRedis
	}
	conn, err := redisclient.Parse(c.redis.url, c.redis.timeout)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing is buffered
	return patiently(ctx, func(ctx context.Context) error {
		if err := conn.Ping(ctx).Err(); err != nil {
			return fmt.Errorf("connect to Redis at %s: %w", conn.Options().Addr, err)
		}
		return f(ctx, conn)
	}, isRedisStarting)
}

// isRedisStarting tells the errors that pass by themselves. Everything that is asked here may be asked twice.
func isRedisStarting(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial" || lostconn.Is(err) || redis.HasErrorPrefix(err, "LOADING")
}

func redisHash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// redisMark is the owner mark. A user of Redis has no comment, but may have several passwords, kept as SHA-256: the mark
// stands there as one more, and is not the hash of anything.
func redisMark(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return hex.EncodeToString(append([]byte("plattr-owner:"), sum[:19]...))
}

func (c client) setRedisUser(ctx context.Context, op embedded.Op, a RedisUserArgs) (RedisUserState, error) {
	s := RedisUserState{RedisUserArgs: a}
	s.Rights = redisRights
	err := c.onRedis(ctx, func(ctx context.Context, r *redis.Client) error {
		now, err := redisUser(ctx, r, a.Name)
		if err != nil {
			return err
		}
		if now != nil && !slices.Contains(now.passwords, redisMark(op.Owner)) {
			return &ForeignError{Kind: "Redis user", Name: a.Name}
		}
		rules := []any{"ACL", "SETUSER", a.Name, "reset", "on", "#" + redisHash(a.Password), "#" + redisMark(op.Owner)}
		for rule := range strings.FieldsSeq(redisRights) {
			rules = append(rules, rule)
		}
		if err := r.Do(ctx, rules...).Err(); err != nil {
			return err
		}
		if err := saveUsers(ctx, r); err != nil {
			return err
		}
		if now, err = redisUser(ctx, r, a.Name); err == nil && now == nil {
			err = errors.New("it is gone again")
		}
		if err == nil {
			s.ACL = now.acl
		}
		return err
	})
	if err != nil {
		return s, fmt.Errorf("make Redis user %s: %w", a.Name, err)
	}
	return s, nil
}

func readRedisUser(ctx context.Context, c client, op embedded.Op, id string, s RedisUserState) (RedisUserState, error) {
	if op.Import {
		return s, fmt.Errorf("Redis user %s cannot be imported: its password is in no other place than the state", id) //nolint:staticcheck // a name
	}
	err := c.onRedis(ctx, func(ctx context.Context, r *redis.Client) error {
		now, err := redisUser(ctx, r, id)
		if err != nil {
			return err
		}
		if now == nil || !slices.Contains(now.passwords, redisMark(op.Owner)) {
			return embedded.ErrGone
		}
		if len(now.passwords) != 2 || !slices.Contains(now.passwords, redisHash(s.Password)) {
			s.Password = "" // what it is now cannot be known; that it differs is drift
		}
		if s.Rights = redisRights; now.acl != s.ACL {
			s.Rights, s.ACL = "changed: "+now.acl, now.acl
		}
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("read Redis user %s: %w", id, err)
	}
	return s, nil
}

func deleteRedisUser(ctx context.Context, c client, op embedded.Op, id string, s RedisUserState) error {
	err := c.onRedis(ctx, func(ctx context.Context, r *redis.Client) error {
		now, err := redisUser(ctx, r, id)
		if err != nil || now == nil || !slices.Contains(now.passwords, redisMark(op.Owner)) {
			return err
		}
		if s.Flush {
			if err := r.FlushAll(ctx).Err(); err != nil {
				return fmt.Errorf("empty the server: %w", err)
			}
		}
		if err := r.Do(ctx, "ACL", "DELUSER", id).Err(); err != nil {
			return err
		}
		return saveUsers(ctx, r)
	})
	if err != nil {
		return fmt.Errorf("delete Redis user %s: %w", id, err)
	}
	return nil
}

// redisAccount is a user as the server describes it.
type redisAccount struct {
	passwords []string
	acl       string // all but the passwords
}

// redisUser asks for a user; nil if there is none (ACL GETUSER, whose answer differs in form between 6 and 7).
func redisUser(ctx context.Context, r *redis.Client, name string) (*redisAccount, error) {
	answer, err := r.Do(ctx, "ACL", "GETUSER", name).Slice()
	if errors.Is(err, redis.Nil) {
		return nil, nil //nolint:nilnil // no user is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("ask for it: %w", err)
	}
	account := &redisAccount{}
	for pair := range slices.Chunk(answer, 2) {
		if len(pair) < 2 {
			continue
		}
		if list, ok := pair[1].([]any); ok && pair[0] == "passwords" {
			for _, hash := range list {
				account.passwords = append(account.passwords, fmt.Sprint(hash))
			}
			continue
		}
		// The words are sorted: a server that loads its users tells the rules in another order than it was told.
		words := strings.Fields(fmt.Sprint(pair[1]))
		slices.Sort(words)
		account.acl += fmt.Sprintf("%v=%v;", pair[0], words)
	}
	return account, nil
}

// saveUsers lets a change outlive the server, in its file of users or, where it has none, in its configuration.
func saveUsers(ctx context.Context, r *redis.Client) error {
	err := r.Do(ctx, "ACL", "SAVE").Err()
	if err != nil && strings.Contains(err.Error(), "not configured to use an ACL file") {
		err = r.ConfigRewrite(ctx).Err()
	}
	if err != nil {
		return fmt.Errorf("save the users: %w", err)
	}
	return nil
}
