package main

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// stats is what a proxy shows on its admin address, at a path.
func (p *process) stats(t *testing.T, path string) (status int, text string) {
	t.Helper()
	p.says(t, "showing metrics")
	address := regexp.MustCompile(`showing metrics" address=(\S+)`).FindStringSubmatch(p.errs.String())[1]
	res, err := http.Get("http://" + address + path)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

// has reports whether a line begins with a metric, has all labels, and ends with a
// value.
func has(text, metric, value string, labels ...string) bool {
	for line := range strings.Lines(text) {
		found := strings.HasPrefix(line, metric+"{") && strings.HasSuffix(line, " "+value+"\n")
		for _, l := range labels {
			found = found && strings.Contains(line, l)
		}
		if found {
			return true
		}
	}
	return false
}

// Two sidecars, of a caller and of a server, each show their side of a call, and know
// each other's names.
func TestSidecarsShowMetrics(t *testing.T) {
	app := server(t, "v1", nil)
	inbound := start(t, "-f", file(t, "none.yaml", "apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\n"), "-mode", "inbound", "-app", "127.0.0.1:"+app,
		"-admin", "127.0.0.1:0", "-labels", "app=reviews,version=v1,service.istio.io/workload-name=reviews-v1")
	_, port, err := net.SplitHostPort(inbound.address)
	require.NoError(t, err)
	outbound := start(t, "-f", file(t, "mesh.yaml", sendTo(port)), "-admin", "127.0.0.1:0",
		"-labels", "app=frontend,service.istio.io/workload-name=frontend-v1")
	require.Equal(t, "200 v1", outbound.ask(t, "/"))

	for _, path := range []string{"/stats/prometheus", "/stats?format=prometheus"} {
		status, text := outbound.stats(t, path)
		require.Equal(t, 200, status)
		require.True(t, has(text, "istio_requests_total", "1", `reporter="source"`, `source_workload="frontend-v1"`,
			`source_workload_namespace="default"`, `destination_workload="reviews-v1"`, `destination_version="v1"`, `response_code="200"`), text)
		require.True(t, has(text, "envoy_cluster_upstream_rq_total", "1", `cluster_name="outbound|80||reviews`), text)
		require.True(t, has(text, "envoy_cluster_membership_healthy", "1", `cluster_name="outbound|80||reviews`), text)
		require.Contains(t, text, "\ngo_goroutines ")
	}
	_, text := inbound.stats(t, "/stats/prometheus")
	require.True(t, has(text, "istio_requests_total", "1", `reporter="destination"`, `source_workload="frontend-v1"`,
		`destination_workload="reviews-v1"`, `connection_security_policy="none"`), text)
	_, text = inbound.stats(t, "/decisions")
	require.Regexp(t, `^200 - GET reviews\S*/ `, text)
	for path, want := range map[string]string{
		"/":            "1 in all",
		"/ready":       "LIVE\n",
		"/decisions":   "try 1  127.0.0.1:",
		"/config":      "mesh.yaml:1",
		"/clusters":    "::rq_total::1\n",
		"/stats":       "upstream_rq_total: 1\n",
		"/config_dump": "envoy.admin.v3.ClustersConfigDump",
		"/server_info": `"state": "LIVE"`,
		"/explain?url=http://reviews.default.svc.cluster.local/": "mesh.yaml:",
	} {
		status, text := outbound.stats(t, path)
		require.Equal(t, 200, status, path)
		require.Contains(t, text, want, path)
	}
	for _, p := range []*process{inbound, outbound} {
		require.NoError(t, p.command.Process.Signal(syscall.SIGTERM))
		p.ends(t)
	}
}
