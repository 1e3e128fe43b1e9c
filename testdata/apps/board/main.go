// Command board is an example application of plattr: a notice board where people sign in, keep notes with a file each, and
// search them. Everything it needs to know it finds in its environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	s, err := fromEnv(os.Getenv)
	if err != nil {
		return fmt.Errorf("%w: run `plattr dev`, then `. .plattr/board.env`", err)
	}
	a, err := newApp(ctx, s)
	if err != nil {
		return err
	}
	defer a.close()
	return serve(ctx, s, a.handler())
}

// settings is what the environment says. DATABASE_URL is not among it: that role is for migrations, and policies do not
// hold it back.
type settings struct {
	appURL, listen                           string
	issuer, internal, clientID, clientSecret string
	rest, redis, bucket                      string
	search, prefix, searchUser, searchSecret string
}

// fromEnv names all that is missing at once.
func fromEnv(getenv func(string) string) (settings, error) {
	var missing []string
	need := func(name string) string {
		value := getenv(name)
		if value == "" {
			missing = append(missing, name)
		}
		return value
	}
	s := settings{
		appURL: need("APP_URL"), listen: getenv("HOST") + ":" + need("PORT"),
		issuer: need("AUTH_ISSUER_URL"), internal: need("AUTH_INTERNAL_URL"),
		clientID: need("AUTH_CLIENT_ID"), clientSecret: need("AUTH_CLIENT_SECRET"),
		rest: need("POSTGREST_INTERNAL_URL"), redis: need("REDIS_URL"), bucket: need("S3_BUCKET_ATTACHMENTS"),
		search: need("OPENSEARCH_URL"), prefix: need("OPENSEARCH_INDEX_PREFIX"),
		// Only where the server asks for them.
		searchUser: getenv("OPENSEARCH_USERNAME"), searchSecret: getenv("OPENSEARCH_PASSWORD"),
	}
	if missing != nil {
		return s, fmt.Errorf("not set: %s", strings.Join(missing, ", "))
	}
	return s, nil
}

func serve(ctx context.Context, s settings, handler http.Handler) error {
	server := &http.Server{
		Addr: s.listen, Handler: handler,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Printf("board on %s", s.appURL)
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	// Requests that run may end.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}
