package programs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// stall ends a download from which no byte has come for so long.
const stall = 30 * time.Second

// downloadHTTPS downloads a URL into dir. What a killed download left is continued if the server still has the same
// file (Range and If-Range, RFC 9110), else it begins anew.
func (f *finder) downloadHTTPS(ctx context.Context, dir string, e Entry, s Source) (string, error) {
	file := filepath.Join(dir, path.Base(s.Coordinate))
	if _, err := os.Stat(file); err == nil {
		return file, nil // whole, but not yet unpacked when the run was killed
	}
	part := file + ".part"
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	resp, have, err := f.request(ctx, s.Coordinate, part)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return "", fmt.Errorf("write the download: %w", err)
	}
	defer out.Close()
	if err := out.Truncate(have); err != nil {
		return "", fmt.Errorf("write the download: %w", err)
	}
	if _, err := out.Seek(have, io.SeekStart); err != nil {
		return "", fmt.Errorf("write the download: %w", err)
	}
	p := Progress{Name: e.Name, Source: s.Coordinate, Phase: Downloading, Done: have}
	if resp.ContentLength > 0 {
		p.Total = have + resp.ContentLength
	}
	if err := f.copyBody(ctx, cancel, out, resp.Body, p); err != nil {
		return "", fmt.Errorf("download: %w", err)
	}
	err = errors.Join(out.Sync(), out.Close())
	if err == nil {
		err = os.Rename(part, file)
	}
	if err != nil {
		return "", fmt.Errorf("finish the download: %w", err)
	}
	return file, nil
}

// request asks for the rest of a file of which part holds the beginning, and tells from where the answer goes on.
func (f *finder) request(ctx context.Context, url, part string) (resp *http.Response, have int64, err error) {
	if !strings.HasPrefix(url, "https://") {
		return nil, 0, errors.New("not an https address")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("download: %w", err)
	}
	tag, _ := os.ReadFile(part + ".etag") // none: begin anew
	if info, err := os.Stat(part); err == nil && len(tag) > 0 && info.Size() > 0 {
		have = info.Size()
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		req.Header.Set("If-Range", string(tag))
	}
	resp, err = f.http.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("download: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusPartialContent:
		if !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", have)) {
			_ = resp.Body.Close()
			return nil, 0, errors.New("the server sent another part than was asked for")
		}
	case http.StatusOK:
		have = 0
	default:
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
			_ = os.Remove(part) // it is longer than the file: the next run begins anew
		}
		return nil, 0, fmt.Errorf("the server says %s", resp.Status)
	}
	// Weak tags do not promise the same bytes, so they cannot continue a file.
	if etag := resp.Header.Get("ETag"); etag != "" && !strings.HasPrefix(etag, "W/") {
		err = replaceFile(part+".etag", []byte(etag), 0o644)
	} else if have == 0 {
		_ = os.Remove(part + ".etag")
	}
	if err != nil {
		_ = resp.Body.Close()
		return nil, 0, err
	}
	return resp, have, nil
}

func (f *finder) copyBody(ctx context.Context, cancel context.CancelCauseFunc, out io.Writer, body io.Reader, p Progress) error {
	timer := time.AfterFunc(stall, func() { cancel(fmt.Errorf("no byte came for %s", stall)) })
	defer timer.Stop()
	buf := make([]byte, 256<<10)
	f.report(p)
	for {
		n, err := body.Read(buf)
		timer.Reset(stall)
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
			p.Done += int64(n)
			f.report(p)
		}
		switch {
		case errors.Is(err, io.EOF):
			if p.Total > 0 && p.Done != p.Total {
				return io.ErrUnexpectedEOF
			}
			return nil
		case err != nil && context.Cause(ctx) != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
	}
}
