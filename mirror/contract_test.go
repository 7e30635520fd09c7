package mirror

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/meshtest"
)

func configs() map[string]Config {
	up := meshtest.NewUpstream(meshtest.Reply{Body: "copy"})
	return map[string]Config{
		"off":      {To: up},
		"copied":   {To: up, Share: mesh.Always},
		"tiny":     {To: up, Share: mesh.Always, MaxBody: 3, MaxCopies: 1},
		"compared": {To: up, Share: mesh.Always, Compare: &Compare{Headers: []string{"X-Inner"}, Body: true}},
	}
}

func TestTheLayersKeepTheContract(t *testing.T) {
	for name, c := range configs() {
		t.Run(name, func(t *testing.T) {
			m := must(t, c)
			meshtest.TestTransport(t, m.Transport)
			s := settled(t, m)
			require.Zero(t, m.places, "%+v", s)
		})
		t.Run(name+" as a handler", func(t *testing.T) {
			m := must(t, c)
			meshtest.TestHandler(t, m.Handler)
			s := settled(t, m)
			require.Zero(t, m.places, "%+v", s)
		})
	}
}

func TestAHandlerCopiesWhatItIsAsked(t *testing.T) {
	up := meshtest.NewUpstream()
	m := must(t, Config{To: up, Share: mesh.Always, Name: "shadow"})
	r := httptest.NewRequest("POST", "/a%2Fb?q=1", strings.NewReader("payload"))
	r.Header = http.Header{"Connection": {"keep-alive, X-Mine"}, "X-Mine": {"1"}, "Te": {"trailers"}, "X-Kept": {"1"}}
	f, r := flow.EnsureServed(r)
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })).ServeHTTP(httptest.NewRecorder(), r)
	settled(t, m)
	require.Equal(t, []string{"shadow"}, f.Tell().Mirrors)
	got := up.Requests()[0]
	body, _ := io.ReadAll(got.Body)
	require.Equal(t, "payload", string(body))
	require.Equal(t, "POST http://example.com/a%2Fb?q=1", got.Method+" "+got.URL.String())
	require.Equal(t, "example.com", got.Host)
	require.Equal(t, http.Header{"X-Kept": {"1"}}, got.Header)
	require.Empty(t, got.RequestURI)

	r = httptest.NewRequest("GET", "/", nil)
	r.TLS = &tls.ConnectionState{}
	require.Equal(t, "https://example.com/", target(&plan{}, r).String())
}

func TestABodyThatTheHandlerLeavesIsNotCopied(t *testing.T) {
	m := must(t, Config{To: meshtest.NewUpstream(), Share: mesh.Always})
	m.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader("x")))
	require.Equal(t, Stats{Unread: 1}, settled(t, m))
}

// A copy is sent by a real transport to a real server.
func TestACopyOverTheWire(t *testing.T) {
	type arrived struct{ host, body, method string }
	got := make(chan arrived, 1)
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- arrived{r.Host, string(body), r.Method}
	}))
	defer second.Close()
	m := must(t, Config{To: second.Client().Transport, Server: second.URL, Share: mesh.Always})
	first := httptest.NewServer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })))
	defer first.Close()
	res, err := first.Client().Post(first.URL, "text/plain", strings.NewReader("payload"))
	require.NoError(t, err)
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	require.Equal(t, "payload", string(body))
	require.Equal(t, arrived{strings.TrimPrefix(first.URL, "http://"), "payload", "POST"}, <-got)
	require.Equal(t, Stats{Sent: 1}, settled(t, m))
}
