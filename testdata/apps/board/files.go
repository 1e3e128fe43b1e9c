package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// maxFile is the size of the largest attachment.
const maxFile = 2 << 20

// files keeps attachments in a bucket, under the owner's and the note's name.
type files struct {
	client *s3.Client
	bucket string
}

// newFiles takes keys, region and endpoint from the AWS_ variables.
func newFiles(ctx context.Context, bucket string) (*files, error) {
	cloud, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the S3 settings: %w", err)
	}
	return &files{s3.NewFromConfig(cloud, func(o *s3.Options) { o.UsePathStyle = true }), bucket}, nil
}

// upload is a form's attachment. The zero value is none.
type upload struct {
	name, kind string
	data       []byte
}

// readUpload reads the whole form. What kind a file is of, its bytes say, not the browser.
func readUpload(w http.ResponseWriter, r *http.Request) (upload, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFile+64<<10)
	err := r.ParseMultipartForm(maxFile + 64<<10) // nothing of it goes to a disk
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return upload{}, &problem{http.StatusRequestEntityTooLarge, "An attachment may have 2 MB."}
	}
	if err != nil {
		return upload{}, &problem{http.StatusBadRequest, "That form cannot be read."}
	}
	file, header, err := r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) || err == nil && header.Size == 0 {
		return upload{}, nil
	}
	if err != nil {
		return upload{}, fmt.Errorf("read the attachment: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(file)
	if err != nil {
		return upload{}, fmt.Errorf("read the attachment: %w", err)
	}
	kind := http.DetectContentType(data)
	if len(data) > maxFile || !isImage(kind) && !strings.HasPrefix(kind, "text/plain") {
		return upload{}, &problem{http.StatusUnsupportedMediaType, "An attachment is a picture or a text file of at most 2 MB."}
	}
	if len(header.Filename) > 200 {
		return upload{}, &problem{http.StatusBadRequest, "The attachment's name is too long."}
	}
	return upload{header.Filename, kind, data}, nil
}

func isImage(kind string) bool {
	switch kind {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return true
	}
	return false
}

func key(owner, id string) string { return owner + "/" + id }

func (f *files) put(ctx context.Context, owner, id string, u upload) error {
	if u.name == "" {
		return nil
	}
	name := key(owner, id)
	_, err := f.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &f.bucket, Key: &name, Body: bytes.NewReader(u.data), ContentType: &u.kind})
	if err != nil {
		return fmt.Errorf("keep the attachment: %w", err)
	}
	return nil
}

func (f *files) remove(ctx context.Context, owner string, n note) error {
	if n.FileName == "" {
		return nil
	}
	name := key(owner, n.ID)
	if _, err := f.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &f.bucket, Key: &name}); err != nil {
		return fmt.Errorf("delete the attachment: %w", err)
	}
	return nil
}

// file serves a note's attachment. It is always a download, and nothing in it is run; a page can still show a picture.
func (a *app) file(w http.ResponseWriter, r *http.Request, s *session) error {
	n, err := a.notes.one(r.Context(), s.Token.AccessToken, r.PathValue("id"))
	if err != nil {
		return err
	}
	if n.FileName == "" {
		return &problem{http.StatusNotFound, "This note has no attachment."}
	}
	name := key(s.Subject, n.ID)
	object, err := a.files.client.GetObject(r.Context(), &s3.GetObjectInput{Bucket: &a.files.bucket, Key: &name})
	if err != nil {
		return fmt.Errorf("read the attachment: %w", err)
	}
	defer func() { _ = object.Body.Close() }()
	h := w.Header()
	h.Set("Content-Type", *object.ContentType)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": n.FileName}))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if _, err := io.Copy(w, object.Body); err != nil {
		log.Print(err) // the answer has begun
	}
	return nil
}
