// Command guestbook is an example application of plattr: a page that lists the entries of a guest book and takes new
// ones, with a picture. Everything it needs to know it finds in its environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5/pgxpool"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	for _, name := range []string{"DATABASE_URL", "S3_BUCKET_PHOTOS"} {
		if os.Getenv(name) == "" {
			return fmt.Errorf("%s is not set: run `plattr dev`, then `. .plattr/guestbook.env`", name)
		}
	}
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer pool.Close()
	// Keys, region and endpoint come from the AWS_ variables.
	cloud, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("read the S3 settings: %w", err)
	}
	book := &book{
		greeting: os.Getenv("GREETING"), bucket: os.Getenv("S3_BUCKET_PHOTOS"), pool: pool,
		files: s3.NewFromConfig(cloud, pathStyle),
		// A browser may reach S3 by another address than this server does.
		links: s3.NewPresignClient(s3.NewFromConfig(cloud, pathStyle, func(o *s3.Options) {
			if endpoint := os.Getenv("S3_PUBLIC_ENDPOINT"); endpoint != "" {
				o.BaseEndpoint = aws.String(endpoint)
			}
		})),
	}
	return serve(ctx, book.handler())
}

func pathStyle(o *s3.Options) { o.UsePathStyle = true }

func serve(ctx context.Context, handler http.Handler) error {
	port := os.Getenv("PORT")
	if port == "" {
		port = "3000"
	}
	server := &http.Server{Addr: os.Getenv("HOST") + ":" + port, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	}()
	log.Printf("guestbook on http://localhost:%s", port)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
