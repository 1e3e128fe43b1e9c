package migrate_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/internal/testutil"
)

const guestbook = "../../testdata/apps/guestbook"

func guestbookData(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.options.Root = guestbook
	result, err := f.up(migrate.Goose)
	if err != nil || len(result.Applied) != 4 || len(result.Warnings) != 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	seeds := f.options
	seeds.Path = "seeds"
	for i, want := range []int64{3, 0} {
		if seeded, err := migrate.Seed(t.Context(), seeds); err != nil || seeded.Rows != want {
			t.Errorf("seed %d: %+v, %v", i, seeded, err)
		}
	}
	return f
}

func TestGuestbookPolicies(t *testing.T) {
	t.Parallel()
	f := guestbookData(t)
	super := dial(t, inDatabase(t, adminURL(t), f.conn.Config().Database, nil))
	visitor := f.conn.Config().Database + "_visitor"
	exec(t, super, "CREATE ROLE "+visitor, "GRANT USAGE ON SCHEMA shop TO "+visitor, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO "+visitor)
	t.Cleanup(func() {
		for _, sql := range []string{"RESET ROLE", "DROP OWNED BY " + visitor, "DROP ROLE " + visitor} {
			if _, err := super.Exec(context.Background(), sql); err != nil {
				t.Error(err)
			}
		}
	})
	exec(t, super, "SET search_path = shop", "SET ROLE "+visitor, "INSERT INTO entry (name, message) VALUES ('Joan', 'Hello')")
	for sql, want := range map[string]int64{
		"SELECT FROM latest": 3, "SELECT FROM entry WHERE hidden": 0, "DELETE FROM entry": 0, "UPDATE entry SET name = 'x'": 0,
	} {
		tag, err := super.Exec(t.Context(), sql)
		if err != nil || tag.RowsAffected() != want {
			t.Errorf("%s: %d rows, want %d, %v", sql, tag.RowsAffected(), want, err)
		}
	}
	if _, err := super.Exec(t.Context(), "INSERT INTO entry (name, message, hidden) VALUES ('x', 'x', true)"); err == nil {
		t.Error("a visitor wrote a hidden entry")
	}
}

func TestGuestbookPage(t *testing.T) {
	t.Parallel()
	f := guestbookData(t)
	server := testutil.S3(t)
	bucket := strings.ReplaceAll(testutil.Unique("photos"), "_", "-")
	client := s3.New(s3.Options{
		Region: server.Region, BaseEndpoint: &server.Endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	url := startGuestbook(t, []string{
		"DATABASE_URL=" + f.options.URL, "S3_BUCKET_PHOTOS=" + bucket, "S3_PUBLIC_ENDPOINT=" + server.Endpoint, "AWS_ENDPOINT_URL_S3=" + server.Endpoint,
		"AWS_ACCESS_KEY_ID=" + server.AccessKey, "AWS_SECRET_ACCESS_KEY=" + server.SecretKey, "AWS_REGION=" + server.Region, "GREETING=Hello & welcome",
	})
	picture := "\x89PNG not really"
	if code, page := sign(t, url, "Joan <b>", picture); code != http.StatusOK {
		t.Fatalf("%d: %s", code, page)
	}
	_, page := fetch(t, url)
	for _, want := range []string{"Hello &amp; welcome", "Joan &lt;b&gt;", "Grace", `alt="Picture by Joan`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "Spammer") {
		t.Error("the page shows a hidden entry")
	}
	link := regexp.MustCompile(`<img src="([^"]+)"`).FindStringSubmatch(page)
	if link == nil {
		t.Fatalf("no picture in\n%s", page)
	}
	if code, got := fetch(t, strings.ReplaceAll(link[1], "&amp;", "&")); code != http.StatusOK || got != picture {
		t.Errorf("the picture is %d %q", code, got)
	}
	if code, _ := sign(t, url, "", ""); code != http.StatusBadRequest {
		t.Errorf("an entry without a name: %d", code)
	}
}

// startGuestbook builds the application and runs it on a free port.
func startGuestbook(t *testing.T, env []string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "guestbook")
	build := osexec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = guestbook
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOFLAGS=")
	out, err := build.CombinedOutput()
	testutil.Require(t, err == nil, fmt.Sprintf("the guest book cannot be built here: %s", out))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	cmd := osexec.CommandContext(t.Context(), program)
	cmd.Env = append(env, "HOST=127.0.0.1", "PORT="+address[strings.LastIndex(address, ":")+1:])
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's context ends it
	for range 200 {
		response, err := http.Get("http://" + address + "/healthz") //nolint:noctx // the test's own server
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return "http://" + address
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the guest book does not answer:\n%s", log.String())
	return ""
}

func sign(t *testing.T, url, name, picture string) (int, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for field, value := range map[string]string{"name": name, "message": "Hi"} {
		if err := form.WriteField(field, value); err != nil {
			t.Fatal(err)
		}
	}
	if picture != "" {
		part, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="picture"; filename="a.png"`}, "Content-Type": {"image/png"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(picture)); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(url, form.FormDataContentType(), &body) //nolint:noctx,gosec // the test's own server
	return answer(t, response, err)
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url) //nolint:noctx,gosec // the test's own server
	return answer(t, response, err)
}

func answer(t *testing.T, response *http.Response, err error) (int, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
