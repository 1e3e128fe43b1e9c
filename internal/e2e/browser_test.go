package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"plattr.dev/plattr/internal/testutil"
)

// patience is how long a page may take for one step.
const patience = 30 * time.Second

// browser is a Chromium without a screen, and its one page.
type browser struct {
	t   *testing.T
	ctx context.Context
}

func newBrowser(t *testing.T, width, height int) *browser {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	testutil.Require(t, program != "", "there is no Chromium to look at the page with")
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(width, height),
		// Root has no sandbox, and a test machine no GPU. The rest keeps it from asking the internet.
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
	}
	for _, name := range []string{
		"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-breakpad", "hide-scrollbars",
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	// Not of the test's context, which ends before the page is kept.
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	// Its errors are about messages of a Chromium that is newer than the library; what counts, the steps return.
	ctx, _ = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	b := &browser{t, ctx}
	t.Cleanup(func() {
		b.keep()
		_ = chromedp.Cancel(ctx) // waits for the browser, which else would write to its folder while that is removed
		end()
	})
	// The first run starts the browser, which would end with a context that has a deadline.
	if err := chromedp.Run(ctx, chromedp.EmulateViewport(int64(width), int64(height))); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	return b
}

// keep saves what the page of a failed test shows.
func (b *browser) keep() {
	if !b.t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	var picture []byte
	var html, at string
	err := chromedp.Run(ctx, chromedp.Location(&at), chromedp.FullScreenshot(&picture, 100), chromedp.OuterHTML("html", &html, chromedp.ByQuery))
	if err != nil {
		b.t.Logf("the page cannot be kept: %v", err)
		return
	}
	dir, err := os.MkdirTemp("", "plattr-page-") // it stays, for whoever looks into the failure
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "page.png"), picture, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "page.html"), []byte(html), 0o600)
	}
	b.t.Logf("the page is at %s; how it looks is in %s (%v)", at, dir, err)
}

// do runs steps, each of which waits for what it needs.
func (b *browser) do(what string, steps ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

func (b *browser) open(url string) { b.t.Helper(); b.do("open "+url, chromedp.Navigate(url)) }

func (b *browser) click(selector string) {
	b.t.Helper()
	b.do("click "+selector, chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible))
}

// fill types into empty fields, given as pairs of selector and text.
func (b *browser) fill(pairs ...string) {
	b.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		b.do("fill "+pairs[i], chromedp.SendKeys(pairs[i], pairs[i+1], chromedp.ByQuery, chromedp.NodeVisible))
	}
}

// see waits until the page shows a text.
func (b *browser) see(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("see %q", text), "document.body.innerText.includes("+strconv.Quote(text)+")")
}

// shows tells whether the page shows a text now.
func (b *browser) shows(text string) (shown bool) {
	b.t.Helper()
	b.do("read the page", chromedp.Evaluate("document.body.innerText.includes("+strconv.Quote(text)+")", &shown))
	return shown
}

// until waits until an expression of JavaScript is true. In between the page may be another one.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		var done bool
		err := chromedp.Run(ctx, chromedp.Evaluate(expression, &done))
		cancel()
		if err == nil && done {
			return
		}
	}
	b.t.Fatalf("%s: not after %s", what, patience)
}
