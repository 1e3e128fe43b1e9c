package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/envfile"
)

var screenshot = flag.String("board.screenshot", "", "write the picture of the README to this `file`")

const boardSource = "../../testdata/apps/board"

// TestBoard is a developer's whole day with an application that has everything: bring it up, migrate, sign in with a real
// browser on Keycloak's real page, use it, sign out, run its tests, delete it.
func TestBoard(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts every service there is: make test runs it")
	}
	b := newBrowser(t, 1200, 800)
	w := newWorld(t)
	p := w.newBoard()
	p.mustRun("dev")
	p.mustRun("db", "migrate")
	vars := p.variables("board")
	const theirs = "Somebody's secret"
	p.mustRun("db", "shell", "-c", "insert into note (id, owner, title, body) values (repeat('A', 26), 'somebody', '"+
		strings.ReplaceAll(theirs, "'", "''")+"', 'x')")
	app := p.startBoard(vars)

	b.signIn(vars)
	b.post("Coffee machine", "Descaled on Monday. When it blinks twice, the tank is not all the way in.", "")
	b.post("Release on Thursday", "Freeze at noon. Joan drives, Grace watches the dashboards, and nobody merges after lunch.", "")
	b.post("Reading list", "The part on write-ahead logs again, then the one on leases.", w.textFile())
	b.post("Ridge walk", "Fog until ten, then this. Next time by the northern path, and with more water.", w.picture())
	b.until("the picture is loaded", "document.querySelector('.picture img').naturalWidth > 0")
	b.until("four posts are counted", "document.querySelector('#posts').innerText == '4'")
	if *screenshot != "" {
		b.photograph(*screenshot)
	}
	b.fill("#search input", "northern pa")
	b.click("#search button")
	b.see("Show all")
	if b.shows("Release on Thursday") || !b.shows("Ridge walk") {
		t.Error("the search finds something else")
	}
	b.open(vars["APP_URL"] + "/?q=secret")
	b.see("No note of yours")
	checkRows(t, vars, theirs)

	var picture string
	b.open(vars["APP_URL"])
	b.see("Ridge walk")
	b.do("find the picture", chromedp.Evaluate("document.querySelector('.picture').href", &picture))
	b.click("header button")
	b.see("Sign in")
	b.do("go back", chromedp.NavigateBack())
	b.see("Sign in")
	for _, at := range []string{picture, vars["APP_URL"] + "/?q=walk", vars["APP_URL"]} {
		b.open(at)
		b.see("Sign in")
		if b.shows("Ridge walk") {
			t.Errorf("signed out, %s shows notes", at)
		}
	}
	b.click("#sign-in")
	b.until("Keycloak asks again", "document.querySelector('#kc-form-login') != null")
	app.stop()

	out, err := p.command(t.Context(), "test", "--", "-v").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestOthers") || strings.Contains(string(out), "--- SKIP") {
		t.Errorf("plattr test: %v\n%s", err, out)
	}
	p.mustRun("dev", "destroy", "--yes")
	if left := p.variables("board"); len(left) != 0 {
		t.Errorf("after dev destroy the environment file has %d variables", len(left))
	}
}

// newBoard is a copy of the example, on a port of its own.
func (w *world) newBoard() *project {
	w.t.Helper()
	dir := filepath.Join(filepath.Dir(w.state), "board")
	if err := os.CopyFS(dir, os.DirFS(boardSource)); err != nil {
		w.t.Fatal(err)
	}
	_ = os.RemoveAll(filepath.Join(dir, envfile.Dir)) // of somebody who tried it there
	file, err := os.ReadFile(filepath.Join(dir, "plattr.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_ = listener.Close()
	return w.newProject(dir, strings.Replace(string(file), "\nlocal:\n", "\nlocal:\n  port: "+port+"\n", 1))
}

// variables are those of the environment file.
func (p *project) variables(app string) map[string]string {
	p.world.t.Helper()
	list, err := envfile.Read(envfile.Path(p.dir, app))
	if err != nil {
		p.world.t.Fatal(err)
	}
	vars := map[string]string{}
	for _, v := range list {
		vars[v.Name] = v.Value
	}
	return vars
}

// server is the application's own process.
type server struct {
	t   testing.TB
	cmd *exec.Cmd
	log *bytes.Buffer
}

func (p *project) startBoard(vars map[string]string) *server {
	t := p.world.t
	t.Helper()
	program := filepath.Join(p.dir, "board")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir, build.Env = p.dir, append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOFLAGS=")
	out, err := build.CombinedOutput()
	testutil.Require(t, err == nil, fmt.Sprintf("the board cannot be built here: %s", out))
	s := &server{t, exec.CommandContext(t.Context(), program), &bytes.Buffer{}}
	s.cmd.Stderr = s.log
	for name, value := range vars {
		s.cmd.Env = append(s.cmd.Env, name+"="+value)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the test's context ends it
		_ = s.cmd.Wait()
		if t.Failed() {
			t.Logf("the board says:\n%s", s.log)
		}
	})
	for range 500 {
		if code, _ := get(t, vars["APP_URL"]+"/healthz", ""); code == http.StatusOK {
			return s
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the board does not answer")
	return nil
}

// stop asks it to end, and expects that it does so in order.
func (s *server) stop() {
	s.t.Helper()
	err := s.cmd.Process.Signal(syscall.SIGTERM)
	if err == nil {
		err = s.cmd.Wait()
	}
	if err != nil {
		s.t.Errorf("the board ends with %v", err)
	}
}

func (b *browser) signIn(vars map[string]string) {
	b.t.Helper()
	b.open(vars["APP_URL"])
	b.click("#sign-in")
	b.until("Keycloak asks", "document.querySelector('#kc-form-login') != null")
	var at string
	b.do("read the address", chromedp.Location(&at))
	if !strings.HasPrefix(at, vars["AUTH_ISSUER_URL"]+"/") {
		b.t.Errorf("the login page is at %s, not below %s", at, vars["AUTH_ISSUER_URL"])
	}
	b.fill("#username", vars["AUTH_DEMO_USER"], "#password", vars["AUTH_DEMO_PASSWORD"])
	b.click("#kc-login")
	b.see("Sign out")
	b.see("Demo User")
}

// post writes a note, with a file if there is one.
func (b *browser) post(title, body, file string) {
	b.t.Helper()
	b.fill("#post [name=title]", title, "#post [name=body]", body)
	if file != "" {
		b.do("attach "+file, chromedp.SetUploadFiles("#post [name=file]", []string{file}, chromedp.ByQuery))
	}
	b.click("#post button")
	b.see(title)
	b.see(filepath.Base(file))
}

// photograph writes what the window shows.
func (b *browser) photograph(file string) {
	b.t.Helper()
	var picture []byte
	b.do("take a picture", chromedp.Evaluate("document.activeElement.blur()", nil), chromedp.CaptureScreenshot(&picture))
	if err := os.WriteFile(file, picture, 0o644); err != nil { //nolint:gosec // it is for the README
		b.t.Fatal(err)
	}
}

// checkRows asks the REST API itself, past the application: with the demo user's token and without one.
func checkRows(t *testing.T, vars map[string]string, theirs string) {
	t.Helper()
	token, err := testutil.SignIn{
		Issuer: vars["AUTH_ISSUER_URL"], ClientID: vars["AUTH_CLIENT_ID"], ClientSecret: vars["AUTH_CLIENT_SECRET"],
		RedirectURI: vars["APP_URL"] + "/auth/callback", User: vars["AUTH_DEMO_USER"], Password: vars["AUTH_DEMO_PASSWORD"],
	}.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	code, body := get(t, vars["POSTGREST_URL"]+"/note?select=title", token)
	var rows []struct{ Title string }
	if err := json.Unmarshal([]byte(body), &rows); err != nil || code != http.StatusOK || len(rows) != 4 || strings.Contains(body, theirs) {
		t.Errorf("with a token REST returns %d %s", code, body)
	}
	if code, body := get(t, vars["POSTGREST_URL"]+"/note", ""); code != http.StatusUnauthorized || strings.Contains(body, "title") {
		t.Errorf("without a token REST returns %d %s", code, body)
	}
}

// get returns 0 where nothing answers.
func get(t testing.TB, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func (w *world) textFile() string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "chapters.txt")
	if err := os.WriteFile(path, []byte("7, 9, 12\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// picture draws hills under an evening sky.
func (w *world) picture() string {
	w.t.Helper()
	const width, height = 272, 198
	hill := func(x int, top, size, length, from float64) int {
		return int(top + size*math.Sin(from+float64(x)/length) + size/3*math.Sin(from+float64(x)/length*2.7))
	}
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for x := range width {
		far, near := hill(x, 112, 22, 45, 2.4), hill(x, 152, 18, 60, 5)
		for y := range height {
			c := color.RGBA{uint8(120 + y*2/3), uint8(160 + y/5), 225, 255}
			switch dx, dy := x-196, y-52; {
			case y > near:
				c = color.RGBA{38, 70, 83, 255}
			case y > far:
				c = color.RGBA{84, 124, 140, 255}
			case dx*dx+dy*dy < 22*22:
				c = color.RGBA{255, 214, 120, 255}
			}
			img.Set(x, y, c)
		}
	}
	path := filepath.Join(w.t.TempDir(), "ridge.png")
	f, err := os.Create(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		w.t.Fatal(err)
	}
	return path
}
