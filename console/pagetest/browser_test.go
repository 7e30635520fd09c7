package pagetest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is how long anything in a browser may take.
const patience = time.Minute

// chromium is the path of a browser, installed if need be.
var chromium = sync.OnceValues(func() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"}} {
		install := exec.CommandContext(ctx, "apt-get", args...)
		install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := install.CombinedOutput(); err != nil {
			return "", fmt.Errorf("there is no Chromium, and apt-get %s fails: %w\n%s", args[0], err, out)
		}
	}
	return exec.LookPath("chromium")
})

// browser is the one that all tests share; nil if there is none.
var browser context.Context

func TestMain(m *testing.M) {
	os.Exit(func() int {
		path, err := chromium()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			if os.Getenv("CI") != "" {
				return 1
			}
			fmt.Fprintln(os.Stderr, "the pages are not tested")
			return 0
		}
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
			chromedp.NoSandbox, // as root in a container there is none to be had
			chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
			chromedp.Flag("hide-scrollbars", true))
		all, stop := chromedp.NewExecAllocator(context.Background(), options...)
		defer stop()
		var end context.CancelFunc
		browser, end = chromedp.NewContext(all)
		defer end()
		if err := chromedp.Do(browser); err != nil {
			fmt.Fprintln(os.Stderr, "Chromium does not start:", err)
			return 1
		}
		return m.Run()
	}())
}

// A tab is a page in a browser, and what it did that it should not.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string

	mu     sync.Mutex
	wrongs []string
}

// open shows a page that url serves. When the test ends nothing may have gone
// wrong: no message on the browser's console, which is where violations of the
// policy go, and no request to anywhere else.
func open(t *testing.T, base, path string) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(browser)
	t.Cleanup(end)
	ctx, stop := context.WithTimeout(ctx, 5*patience)
	t.Cleanup(stop)
	b := &tab{t: t, ctx: ctx, url: base}
	home, err := url.Parse(base)
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(ctx))
	_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	require.NoError(t, chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSent); ok {
			if u, err := url.Parse(e.Request.URL); err != nil || u.Host != home.Host && u.Scheme != "data" {
				b.wrong("a request for " + e.Request.URL)
			}
		}
	}))
	go func() {
		for message, err := range chromedp.Console(ctx) {
			if err != nil {
				return
			}
			b.wrong(fmt.Sprintf("%s: %s", message.Type, message.Text))
		}
	}()
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Empty(t, b.wrongs)
	})
	b.visit(path)
	return b
}

func (b *tab) wrong(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrongs = append(b.wrongs, what)
}

// visit goes to a page and waits until it is live.
func (b *tab) visit(path string) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.Navigate(b.url+path)))
}

// eval is the value of an expression on the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err, expression)
	return v
}

// until waits for a condition on a page that is loaded: where a form or a link leads,
// the address is new before there is anything to see.
func (b *tab) until(condition string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.readyState === "complete" && (`+condition+`)`))
		if err == nil && ok {
			return
		}
		if errors.Is(err, context.DeadlineExceeded) || time.Now().After(deadline) {
			require.FailNow(b.t, "it never came true", "%s\n%v\n%s", condition, err, eval[string](b, "document.body.innerText"))
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

// updated waits until the page was made current once more.
func (b *tab) updated() {
	b.t.Helper()
	now := eval[string](b, `document.querySelector("#live").dataset.version || ""`)
	b.until(fmt.Sprintf(`(document.querySelector("#live").dataset.version || "") !== %q`, now))
}

// press presses keys, one after the other.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		require.NoError(b.t, chromedp.Do(b.ctx, chromedp.KeyEvent(key)))
	}
}

// like sets width, height and theme as a device has them.
func (b *tab) like(width, height int64, theme string) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height)))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	require.NoError(b.t, err)
}

// picture writes what the tab shows to a file.
func (b *tab) picture(folder, name string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(folder+"/"+strings.ReplaceAll(name, "/", "-")+".png", png, 0o644))
}
