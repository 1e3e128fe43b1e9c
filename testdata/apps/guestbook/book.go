package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	maxPicture  = 5 << 20
	linkExpires = time.Hour
)

type book struct {
	greeting, bucket string
	pool             *pgxpool.Pool
	files            *s3.Client
	links            *s3.PresignClient
}

type entry struct {
	Name, Message string
	Picture       *string
	CreatedAt     time.Time
	Link          string `db:"-"`
}

func (b *book) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.show)
	mux.HandleFunc("POST /{$}", b.sign)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if err := b.pool.Ping(r.Context()); err != nil {
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		}
	})
	return mux
}

func (b *book) show(w http.ResponseWriter, r *http.Request) {
	entries, err := b.entries(r.Context())
	if err != nil {
		b.fail(w, err)
		return
	}
	if err := page.Execute(w, map[string]any{"Greeting": b.greeting, "Entries": entries}); err != nil {
		log.Print(err)
	}
}

func (b *book) entries(ctx context.Context) ([]entry, error) {
	rows, err := b.pool.Query(ctx, "SELECT name, message, picture, created_at FROM entry WHERE NOT hidden ORDER BY id DESC LIMIT 50")
	if err != nil {
		return nil, fmt.Errorf("read the entries: %w", err)
	}
	entries, err := pgx.CollectRows(rows, pgx.RowToStructByName[entry])
	if err != nil {
		return nil, fmt.Errorf("read the entries: %w", err)
	}
	for i := range entries {
		if entries[i].Picture == nil {
			continue
		}
		link, err := b.links.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: entries[i].Picture}, s3.WithPresignExpires(linkExpires))
		if err != nil {
			return nil, fmt.Errorf("link a picture: %w", err)
		}
		entries[i].Link = link.URL
	}
	return entries, nil
}

func (b *book) sign(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxPicture)
	picture, err := b.upload(r)
	if err != nil {
		b.fail(w, err)
		return
	}
	_, err = b.pool.Exec(r.Context(), "INSERT INTO entry (name, message, picture) VALUES ($1, $2, $3)",
		strings.TrimSpace(r.FormValue("name")), strings.TrimSpace(r.FormValue("message")), picture)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "23514" {
		http.Error(w, "a name of 1 to 80 and a message of 1 to 2000 characters, please", http.StatusBadRequest)
		return
	}
	if err != nil {
		b.fail(w, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// upload keeps the form's picture in the bucket and returns its key, nil if there is none.
func (b *book) upload(r *http.Request) (*string, error) {
	file, header, err := r.FormFile("picture")
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) || err == nil && header.Size == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the picture: %w", err)
	}
	defer func() { _ = file.Close() }()
	kind := header.Header.Get("Content-Type")
	if !strings.HasPrefix(kind, "image/") || strings.HasPrefix(kind, "image/svg") {
		return nil, errors.New("the file is not a picture")
	}
	key := "entries/" + rand.Text()
	_, err = b.files.PutObject(r.Context(), &s3.PutObjectInput{Bucket: &b.bucket, Key: &key, Body: file, ContentType: aws.String(kind)})
	if err != nil {
		return nil, fmt.Errorf("keep the picture: %w", err)
	}
	return &key, nil
}

func (b *book) fail(w http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(w, "that did not work, see the log", http.StatusInternalServerError)
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Guest book</title>
<style>
	body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
	form, article { border: 1px solid #ddd; border-radius: .5rem; padding: 1rem; margin: 1rem 0 }
	input, textarea, button { font: inherit; display: block; width: 100%; box-sizing: border-box; margin: .3rem 0; padding: .4rem }
	img { max-width: 100%; border-radius: .3rem } small { color: #777 }
</style>
<h1>Guest book</h1><p>{{.Greeting}}</p>
<form method="post" enctype="multipart/form-data">
	<input name="name" placeholder="Your name" required maxlength="80">
	<textarea name="message" placeholder="Your message" required maxlength="2000"></textarea>
	<input name="picture" type="file" accept="image/*"><button>Sign</button>
</form>
{{range .Entries}}<article><strong>{{.Name}}</strong> <small>{{.CreatedAt.Format "2 January 2006, 15:04"}}</small><p>{{.Message}}</p>
{{if .Link}}<img src="{{.Link}}" alt="Picture by {{.Name}}">{{end}}</article>{{else}}<p>Nobody has signed yet.</p>{{end}}
`))
