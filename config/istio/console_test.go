package istio_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/console"
)

const consoleMesh = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: 10.0.0.1, labels: {version: v1}}
  - {address: 10.0.0.2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews.example
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews.example]
  http:
  - name: old
    match: [{uri: {prefix: /old}}]
    redirect: {uri: /new}
  - name: jason
    match: [{headers: {end-user: {exact: jason}, cookie: {regex: ".*beta.*"}}, queryParams: {page: {exact: "1"}}}]
    route: [{destination: {host: reviews.example, subset: v2}}]
  - name: canary
    route:
    - {destination: {host: reviews.example, subset: v1}, weight: 90}
    - {destination: {host: reviews.example, subset: v2}, weight: 10}
    mirror: {host: reviews.example, subset: v2}
    mirrorPercentage: {value: 0.001}
`

// shows is what a console says on a path, as text or JSON.
func shows(t *testing.T, page http.Handler, path string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
	r.RemoteAddr = "127.0.0.1:1234"
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, "%s: %s", path, w.Body)
	return w.Body.String()
}

func TestAClientOnAConsole(t *testing.T) {
	config := parse(t, consoleMesh)
	page, err := console.New(console.Config{})
	require.NoError(t, err)
	client, err := istio.NewClient(config, istio.ClientConfig{
		Sinks: []access.Sink{page.Sink},
		Transport: sending(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusTeapot, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		}),
	})
	require.NoError(t, err)
	defer client.Close()
	page.Add(client.Console())

	r, err := http.NewRequest(http.MethodGet, "http://reviews.example/new?page=1&token=hunter2&x=private", nil)
	require.NoError(t, err)
	r.Header = http.Header{"End-User": {"jason"}, "Cookie": {"beta=hunter2"}, "X-Other": {"private"}}
	res, err := client.RoundTrip(r)
	require.NoError(t, err)
	res.Body.Close()

	text := shows(t, page, "/config")
	require.Contains(t, text, `path prefix "/old"`)
	require.Contains(t, text, "redirect 301 to path /new")
	require.Regexp(t, `mesh\.yaml:\d+: VirtualService default/reviews\s+reviews\.example\s+jason\s+header cookie regex "\.\*beta\.\*", header end-user exact "jason", query parameter page exact "1"\s+reviews\.example:80 v2`, text)
	require.Contains(t, text, "90 % reviews.example:80 v1, 10 % reviews.example:80 v2, < 0.01 % copied to reviews.example:80 v2")
	line := 1 + strings.Count(consoleMesh[:strings.Index(consoleMesh, "  - name: jason")], "\n")
	require.Contains(t, text, fmt.Sprintf("mesh.yaml:%d: VirtualService", line), "the line of the rule itself")

	decision := shows(t, page, "/decisions/1?format=json")
	require.Contains(t, decision, `"route": "jason"`)
	require.Contains(t, decision, `"path": "/new?page=1&token=*&x=*"`)
	require.Contains(t, decision, `"End-User": "jason"`)
	require.NotContains(t, decision, "hunter2")
	require.NotContains(t, decision, "private")
	require.Contains(t, decision, "Headers with secrets are not kept")

	require.Contains(t, shows(t, page, "/explain?url=http://reviews.example/x"), "rule canary")
	require.Contains(t, shows(t, page, "/clusters"), "outbound|80|v2|reviews.example::10.0.0.2:80::rq_total::1\n")
	require.Contains(t, shows(t, page, "/?format=json"), `"id": "subset:outbound|80|v2|reviews.example"`)
}

func TestAWatcherOnAConsole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mesh.yaml")
	write := func(s string) {
		require.NoError(t, os.WriteFile(file+".new", []byte(s), 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	write(consoleMesh)
	config, err := istio.ParseFiles(file)
	require.NoError(t, err)
	page, err := console.New(console.Config{})
	require.NoError(t, err)
	client, err := istio.NewClient(config, istio.ClientConfig{})
	require.NoError(t, err)
	defer client.Close()
	w := &istio.Watcher{Paths: []string{file}, Loaded: config, Apply: client.Update, Interval: time.Millisecond}
	page.Add(client.Console())
	page.Add(w.Console())
	require.Contains(t, shows(t, page, "/config"), "Loaded anew 0 times, last never; failed 0 times.")
	require.Regexp(t, `mesh\.yaml:1\s+ServiceEntry\s+default/reviews\n`, shows(t, page, "/config"))

	begin(t, func() error { return w.Run(t.Context(), nil) })
	until := func(what string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(shows(t, page, "/config"), what) }, 30*time.Second, time.Millisecond)
	}
	write(strings.Replace(consoleMesh, "weight: 90", "weight: -1", 1))
	until("failed 1 time.\n! ")
	require.Contains(t, shows(t, page, "/config"), "90 %", "the last good rules stay")
	require.Contains(t, shows(t, page, "/events"), "not loaded, the last good one stays")
	write(strings.Replace(strings.Replace(consoleMesh, "weight: 90", "weight: 50", 1), "weight: 10}", "weight: 50}", 1))
	until("50 %")
	until("Loaded anew 1 time, last ")
}

// begin runs f until the test ends.
func begin(t *testing.T, f func() error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f()
	}()
	t.Cleanup(func() { <-done })
}

func TestAGatewayOnAConsole(t *testing.T) {
	config := parse(t, strings.Replace(consoleMesh, "  http:\n", "  gateways: [edge]\n  http:\n", 1)+`---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
`)
	gateway, err := istio.NewGateway(config, istio.GatewayConfig{Workload: istio.Workload{Labels: map[string]string{"app": "edge"}}})
	require.NoError(t, err)
	defer gateway.Close()
	page, err := console.New(console.Config{Sources: []console.Source{gateway.Console()}})
	require.NoError(t, err)
	require.Contains(t, shows(t, page, "/config"), "canary")
	require.Contains(t, shows(t, page, "/explain?url=http://reviews.example/x"), "rule canary")
}

func TestAClientExplainsLiveRequests(t *testing.T) {
	config := parse(t, consoleMesh)
	for name, explain := range map[string]func(*http.Request) bool{
		"off": nil, "refused": func(*http.Request) bool { return false }, "told": func(*http.Request) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			client, err := istio.NewClient(config, istio.ClientConfig{
				Explain: explain,
				Transport: sending(func(r *http.Request) (*http.Response, error) {
					require.NotContains(t, r.Header, access.ExplainHeader, "it goes no further")
					return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
				}),
			})
			require.NoError(t, err)
			defer client.Close()
			r, err := http.NewRequest(http.MethodGet, "http://reviews.example/x", nil)
			require.NoError(t, err)
			r.Header.Set("x-mesh-explain", "1")
			res, err := client.RoundTrip(r)
			require.NoError(t, err)
			res.Body.Close()
			if name == "told" {
				require.Regexp(t, `^200 - GET reviews\.example/x \S+; route canary; split outbound\|80\|v[12]\|reviews\.example, drew \d+ of 100; `+
					`try 1 10\.0\.0\.[12]:80 200 \S+; end via_upstream$`, res.Header.Get("x-mesh-decision"))
			} else {
				require.Empty(t, res.Header.Get("x-mesh-decision"))
			}
		})
	}
}
