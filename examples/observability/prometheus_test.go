package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/examples/observability/bookinfo"
	"github.com/sidecarless/mesh/internal/corpus"
	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// prometheus is a server that scrapes a demo.
type prometheus struct{ url string }

// scrape starts a demo, traffic through it, and a Prometheus that watches. It reports
// false where there is no Prometheus, which in CI is a failure.
func scrape(t *testing.T, o bookinfo.Options) (*prometheus, bool) {
	t.Helper()
	binary, err := install()
	if err != nil {
		require.Empty(t, os.Getenv("CI"), "a Prometheus is needed: %v", err)
		t.Logf("NOT TESTED, there is no Prometheus: %v", err)
		return nil, false
	}
	demo, err := bookinfo.Start(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	driven := make(chan struct{})
	go func() {
		defer close(driven)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				demo.Get(ctx, "/productpage")
				demo.Get(ctx, "/productpage/stars")
				demo.Probe(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	dir := t.TempDir()
	config, err := os.ReadFile("prometheus.yml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), config, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "targets.json"), demo.Targets(), 0o644))
	addr := freeAddress(t)
	server := exec.Command(binary, "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address="+addr, "--log.level=error")
	server.Dir = dir
	out := new(strings.Builder)
	server.Stdout, server.Stderr = out, out
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		server.Process.Kill() //nolint:errcheck // it is gone either way
		server.Wait()         //nolint:errcheck // it was killed
		cancel()
		<-driven
		require.NoError(t, demo.Close())
		http.DefaultClient.CloseIdleConnections()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	return &prometheus{"http://" + addr}, true
}

// install finds a Prometheus, or installs Debian's.
func install() (string, error) {
	if path, err := exec.LookPath("prometheus"); err == nil {
		return path, nil
	}
	for _, args := range [][]string{{"update", "-qq"}, {"install", "-qq", "-y", "--no-install-recommends", "prometheus"}} {
		if out, err := exec.Command("apt-get", args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get %s: %w: %s", args[0], err, out)
		}
	}
	return exec.LookPath("prometheus")
}

// lonely is the last address of loopback that was given to a server.
var lonely atomic.Int32

// freeAddress is one where nobody listens, at an address of its own where there are such:
// a port of 127.0.0.1 that is given back may be another test's before it is used.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.90.%d:0", lonely.Add(1)))
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// A sample is the labels of one series that a query returned.
type sample struct {
	Metric map[string]string
}

// query is what Prometheus answers, nothing while it does not answer yet.
func (p *prometheus) query(t *testing.T, expr string) []sample {
	res, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return nil // it has not begun to listen
	}
	defer res.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []sample }
	}
	if json.NewDecoder(res.Body).Decode(&answer) != nil || res.StatusCode == http.StatusServiceUnavailable {
		return nil
	}
	require.Equal(t, "success", answer.Status, "%s: %s", expr, answer.Error)
	return answer.Data.Result
}

// eventually waits until all expressions return data, and reports those that do not.
func (p *prometheus) eventually(t *testing.T, expressions map[string]string) (empty []string) {
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		empty = nil
		for id, expr := range expressions {
			if len(p.query(t, expr)) > 0 {
				delete(expressions, id)
			} else {
				empty = append(empty, id+": "+expr)
			}
		}
		if len(empty) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return empty
		}
	}
}

// variables are those of Istio's dashboards, bound to the demo.
var variables = strings.NewReplacer(
	"$__rate_interval", "10s", "$qrep", "source|destination", "$service", "productpage.default.svc.cluster.local",
	"$workload", "productpage-v1", "$namespace", "default", "$srcns", ".*", "$srcwl", ".*", "$srccluster", ".*",
	"$dstns", ".*", "$dstwl", ".*", "$dstcluster", ".*", "$dstsvc", ".*",
)

// dashboards are the expressions of Istio's dashboards that ask for HTTP, by when they
// return data.
func dashboards(t *testing.T) map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, name := range []string{"mesh", "service", "workload", "performance"} {
		var d struct {
			Expressions []struct{ ID, Expr, Target, When string }
		}
		if !read(t, "grafana/istio-"+name+".json", &d) {
			return nil
		}
		for _, e := range d.Expressions {
			if e.Target == "http" || e.Target == "build" || e.Target == "gateway" {
				if all[e.When] == nil {
					all[e.When] = map[string]string{}
				}
				all[e.When][e.ID] = variables.Replace(e.Expr)
			}
		}
	}
	return all
}

// read reads recorded data. It reports false where there is none, which in CI is a
// failure.
func read(t *testing.T, name string, into any) bool {
	t.Helper()
	for _, path := range corpus.Shared(t, name) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		text = []byte(strings.ReplaceAll(string(text), `"non_empty_when"`, `"when"`))
		require.NoError(t, json.Unmarshal(text, into))
		return true
	}
	return false
}

func TestIstiosDashboardsShowTheDemo(t *testing.T) {
	for name, tt := range map[string]struct {
		options bookinfo.Options
		full    []string
		empty   []string
	}{
		"in plain text":   {bookinfo.Options{}, []string{"traffic"}, []string{"mtls", "never"}},
		"with mutual TLS": {bookinfo.Options{MutualTLS: true}, []string{"traffic", "mtls"}, []string{"never"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := dashboards(t)
			if all == nil {
				return
			}
			p, ok := scrape(t, tt.options)
			if !ok {
				return
			}
			for _, when := range tt.full {
				t.Logf("%d expressions that need %s", len(all[when]), when)
				require.NotEmpty(t, all[when])
				require.Empty(t, p.eventually(t, all[when]), "these panels stay empty")
			}
			for _, when := range tt.empty {
				for id, expr := range all[when] {
					require.Empty(t, p.query(t, expr), "%s is empty with a sidecar, too", id)
				}
			}
			kiali(t, p)
		})
	}
}

// kiali asks what Kiali asks, and draws its graph.
func kiali(t *testing.T, p *prometheus) {
	var recorded struct{ Queries []struct{ ID, Expr string } }
	if !read(t, "telemetry/kiali-queries.json", &recorded) {
		return
	}
	wanted, graph := map[string]string{}, map[string]string{}
	for _, q := range recorded.Queries {
		bind := strings.NewReplacer("$ns", "default", "$svc", "ratings", "$wl", "productpage-v1")
		if strings.HasPrefix(q.ID, "health/app") {
			bind = strings.NewReplacer("$ns", "default", "$wl", "productpage")
		}
		expr := bind.Replace(q.Expr)
		switch {
		case q.ID == "graph/http-in-unknown" || strings.Contains(q.ID, "tcp") || strings.Contains(q.ID, "grpc"):
			require.Empty(t, p.query(t, expr), "%s: the demo has nothing of the kind", q.ID)
		default:
			wanted[q.ID] = expr
		}
		if q.ID == "graph/http-in" || q.ID == "graph/http-out" {
			graph[q.ID] = expr
		}
	}
	require.Len(t, wanted, 10)
	require.Empty(t, p.eventually(t, wanted))

	// Kiali takes series of both reporters for one edge if all labels are the same.
	edges := map[string]map[string]bool{}
	for _, expr := range graph {
		for _, s := range p.query(t, expr) {
			m := s.Metric
			for _, side := range []string{"source", "destination"} {
				if m[side+"_workload_namespace"] != "unknown" {
					require.Equal(t, "Kubernetes", m[side+"_cluster"], "or else Kiali leaves it out")
				}
			}
			text, err := json.Marshal(m)
			require.NoError(t, err)
			edge := fmt.Sprintf("%s > %s > %s %s %s", m["source_workload"], m["destination_service_name"], m["destination_workload"], m["response_code"], m["response_flags"])
			if edges[edge] == nil {
				edges[edge] = map[string]bool{}
			}
			edges[edge][string(text)] = true
		}
	}
	require.Contains(t, edges, "istio-ingressgateway > productpage > productpage-v1 200 -")
	require.Contains(t, edges, "productpage-v1 > ratings > ratings-v1 200 -")
	require.Contains(t, edges, "unknown > productpage > productpage-v1 200 -", "from outside of the mesh")
	for edge, labels := range edges {
		require.Len(t, labels, 1, "both sides say the same of %s", edge)
	}
}
