package console_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/upstream"
)

// events opens a page's stream. The function returns the next event.
func events(t *testing.T, url string) (next func() string, end func()) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	r.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	lines := bufio.NewReader(res.Body)
	return func() string {
		var b strings.Builder
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return "the end: " + err.Error()
			}
			if line == "\n" {
				return b.String()
			}
			b.WriteString(line)
		}
	}, func() { res.Body.Close() }
}

func TestPagesStayCurrent(t *testing.T) {
	u := newUpstream(t, cluster)
	page := newConsole(t, console.Config{Upstreams: []*upstream.Upstream{u}})
	server := httptest.NewUnstartedServer(page)
	// A server's bound on answers is not one for streams.
	server.Config.WriteTimeout = 500 * time.Millisecond
	server.Start()
	defer server.Close()
	next, end := events(t, server.URL+"/clusters")
	first := next()
	require.True(t, strings.HasPrefix(first, "event: page\nid: 1\ndata: "), first)
	require.Contains(t, first, "2 of 2 in use")
	require.NotContains(t, first, "<header", "only what changes is sent")

	send(t, page, u, 4)
	second := next()
	require.True(t, strings.HasPrefix(second, "event: page\nid: 2\n"), second)
	require.Contains(t, second, "1 of 2 in use")
	end()
}

func TestPagesThatDoNotChangeHaveNoStream(t *testing.T) {
	page := newConsole(t, console.Config{})
	require.Equal(t, http.StatusNoContent, get(page, "/explain", "Accept", "text/event-stream").Code)
	require.Equal(t, http.StatusNotFound, get(page, "/nothing", "Accept", "text/event-stream").Code)
}

func TestCloseEndsStreams(t *testing.T) {
	page := newConsole(t, console.Config{})
	server := httptest.NewServer(page)
	next, end := events(t, server.URL+"/")
	defer end()
	require.Contains(t, next(), "event: page")
	page.Close()
	page.Close()
	for !strings.HasPrefix(next(), "the end") {
	}
	require.NoError(t, server.Config.Shutdown(t.Context()), "which would otherwise wait for ever")
	server.Close()
}

func TestStreamsAreBounded(t *testing.T) {
	page := newConsole(t, console.Config{})
	server := httptest.NewServer(page)
	defer server.Close()
	var ends []func()
	for range 64 {
		next, end := events(t, server.URL+"/")
		next()
		ends = append(ends, end)
	}
	require.Equal(t, http.StatusServiceUnavailable, get(page, "/", "Accept", "text/event-stream").Code)
	require.Equal(t, http.StatusOK, get(page, "/").Code)
	for _, end := range ends {
		end()
	}
	require.Eventually(t, func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/", nil)
		require.NoError(t, err)
		r.Header.Set("Accept", "text/event-stream")
		res, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, time.Minute, 10*time.Millisecond)
	page.Close()
}

// Everything at once, for the race detector and for exact counts.
func TestRequestsReadersAndReloadsAtOnce(t *testing.T) {
	u := newUpstream(t, cluster)
	page := newConsole(t, console.Config{Upstreams: []*upstream.Upstream{u}, Decisions: 16})
	server := httptest.NewServer(page)
	defer server.Close()
	const workers, each = 8, 250
	var senders, readers sync.WaitGroup
	done := make(chan struct{})
	for range workers {
		senders.Go(func() { send(t, page, u, each) })
	}
	for _, path := range []string{"/?format=html", "/decisions", "/clusters?format=json", "/config_dump", "/decisions?format=json&failed=1"} {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				res, err := http.Get(server.URL + path)
				if err == nil {
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			}
		})
	}
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				page.Add(console.Source{Reads: func() *console.Reads { return &console.Reads{Headers: []string{"X-Request-Id"}} }})
				time.Sleep(10 * time.Millisecond)
			}
		}
	})
	senders.Wait()
	close(done)
	readers.Wait()
	http.DefaultClient.CloseIdleConnections()
	require.Contains(t, get(page, "/stats").Body.String(), "http.downstream_rq_completed: 2000\n")
	require.Contains(t, get(page, "/").Body.String(), "2000 in all")
}
