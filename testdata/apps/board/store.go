package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"golang.org/x/oauth2"
)

const (
	loginExpires = 10 * time.Minute
	// sessionExpires is the time that the realm keeps an idle session: a longer one would only hold dead tokens.
	sessionExpires = 30 * time.Minute
)

// errSignedOut says that a request has no session, or none any more.
var errSignedOut = errors.New("not signed in")

// session is somebody who is signed in. The browser knows only its random name.
type session struct {
	Subject, Name, IDToken string
	Token                  *oauth2.Token
}

// store keeps sessions and counters in Redis.
type store struct{ client *redis.Client }

func newStore(url string) (*store, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("REDIS_URL is no URL of a Redis server") // the error would show the password
	}
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled} // else it prints
	return &store{redis.NewClient(o)}, nil
}

func (s *store) begin(ctx context.Context, l login) error {
	return s.set(ctx, "login:"+l.State, l, redis.SetArgs{TTL: loginExpires})
}

// login returns a sign-in that has begun, once.
func (s *store) login(ctx context.Context, state string) (login, error) {
	var l login
	err := read(s.client.GetDel(ctx, "login:"+state), &l)
	if errors.Is(err, errSignedOut) {
		return l, &problem{http.StatusBadRequest, "This sign-in took too long. Please try again."}
	}
	return l, err
}

// add begins a session under a new name.
func (s *store) add(ctx context.Context, v *session) (string, error) {
	id := rand.Text()
	return id, s.set(ctx, "session:"+id, v, redis.SetArgs{TTL: sessionExpires})
}

func (s *store) session(ctx context.Context, id string) (*session, error) {
	v := &session{}
	return v, read(s.client.Get(ctx, "session:"+id), v)
}

// update keeps new tokens, unless the session was ended meanwhile.
func (s *store) update(ctx context.Context, id string, v *session) error {
	return s.set(ctx, "session:"+id, v, redis.SetArgs{TTL: sessionExpires, Mode: "XX"})
}

func (s *store) end(ctx context.Context, id string) (*session, error) {
	v := &session{}
	return v, read(s.client.GetDel(ctx, "session:"+id), v)
}

func (s *store) set(ctx context.Context, key string, v any, args redis.SetArgs) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	err = s.client.SetArgs(ctx, key, raw, args).Err()
	if errors.Is(err, redis.Nil) {
		return errSignedOut
	}
	if err != nil {
		return fmt.Errorf("write to Redis: %w", err)
	}
	return nil
}

func read(answer *redis.StringCmd, to any) error {
	raw, err := answer.Bytes()
	if errors.Is(err, redis.Nil) {
		return errSignedOut
	}
	if err != nil {
		return fmt.Errorf("read from Redis: %w", err)
	}
	return json.Unmarshal(raw, to)
}

// visit counts a visit, and returns how many there were and how many notes were posted.
func (s *store) visit(ctx context.Context) (visits, posts int64, err error) {
	pipe := s.client.Pipeline()
	visit, post := pipe.Incr(ctx, "visits"), pipe.IncrBy(ctx, "posts", 0)
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, 0, fmt.Errorf("count in Redis: %w", err)
	}
	return visit.Val(), post.Val(), nil
}

func (s *store) posted(ctx context.Context) error {
	if err := s.client.Incr(ctx, "posts").Err(); err != nil {
		return fmt.Errorf("count in Redis: %w", err)
	}
	return nil
}
