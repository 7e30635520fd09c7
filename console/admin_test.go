package console_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/upstream"
)

func TestStats(t *testing.T) {
	page := full(t)
	text := get(page, "/stats").Body.String()
	for _, want := range []string{
		"cluster." + cluster + ".upstream_rq_total: 8\n", "cluster." + cluster + ".upstream_rq_completed: 8\n",
		"cluster." + cluster + ".upstream_rq_retry: 0\n", "cluster." + cluster + ".upstream_rq_retry_success: 0\n",
		"cluster." + cluster + ".membership_total: 2\n", "cluster." + cluster + ".membership_healthy: 1\n",
		"cluster." + cluster + ".outlier_detection.ejections_active: 1\n", "http.downstream_rq_completed: 8\n", "http.downstream_rq_failed: 2\n",
	} {
		require.Contains(t, text, want)
	}
	require.Regexp(t, `^cluster\.\S+membership_healthy: 1\n$`, get(page, "/stats?filter=healthy$").Body.String())
	require.NotContains(t, get(page, "/stats?usedonly").Body.String(), ": 0\n")
	require.Equal(t, http.StatusBadRequest, get(page, "/stats?filter=(").Code)
	require.JSONEq(t, `{"stats": [{"name": "cluster.`+cluster+`.membership_healthy", "value": 1}]}`,
		get(page, "/stats?format=json&filter=healthy$").Body.String())
}

// exposition is a line of Prometheus' text format.
var exposition = regexp.MustCompile(`^(# TYPE [a-z0-9_]+ (counter|gauge)|[a-z0-9_]+(\{cluster_name="([^"\\]|\\.)*"\})? [0-9]+)$`)

func TestPrometheus(t *testing.T) {
	page := newConsole(t, console.Config{Upstreams: []*upstream.Upstream{newUpstream(t, `a"b\c`), newUpstream(t, "d")}})
	for _, path := range []string{"/stats?format=prometheus", "/stats/prometheus"} {
		w := get(page, path)
		require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", w.Header().Get("Content-Type"))
		seen := map[string]bool{}
		for line := range strings.Lines(w.Body.String()) {
			require.Regexp(t, exposition, strings.TrimSuffix(line, "\n"))
			if strings.HasPrefix(line, "#") {
				require.False(t, seen[line], "a family stands together: %s", line)
				seen[line] = true
			}
		}
		require.Contains(t, w.Body.String(), `envoy_cluster_membership_total{cluster_name="a\"b\\c"} 2`)
		require.Contains(t, w.Body.String(), `envoy_cluster_outlier_detection_ejections_active{cluster_name="d"} 0`)
	}
	given := newConsole(t, console.Config{Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "given") })})
	require.Equal(t, "given", get(given, "/stats?format=prometheus").Body.String())
	require.Equal(t, "given", get(given, "/stats/prometheus").Body.String())
	require.NotEqual(t, "given", get(given, "/stats").Body.String())
}

func TestConfigDump(t *testing.T) {
	var dump struct {
		Configs []struct {
			Type     string                                    `json:"@type"`
			Clusters []struct{ Cluster struct{ Name string } } `json:"dynamic_active_clusters"`
			Routes   []struct {
				Config struct {
					Hosts []struct {
						Name    string
						Domains []string
						Routes  []struct {
							Name  string
							Route struct {
								Weighted struct {
									Clusters []struct {
										Name   string
										Weight float64
									}
								} `json:"weighted_clusters"`
							}
							Action   string
							Metadata struct {
								Filter struct{ Istio struct{ Config string } } `json:"filter_metadata"`
							}
						}
					} `json:"virtual_hosts"`
				} `json:"route_config"`
			} `json:"dynamic_route_configs"`
		}
	}
	require.NoError(t, json.Unmarshal(get(full(t), "/config_dump").Body.Bytes(), &dump))
	require.Len(t, dump.Configs, 3)
	require.Equal(t, "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", dump.Configs[0].Type)
	require.Equal(t, cluster, dump.Configs[0].Clusters[0].Cluster.Name)
	require.Equal(t, "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", dump.Configs[1].Type)
	hosts := dump.Configs[1].Routes[0].Config.Hosts
	require.Len(t, hosts, 2)
	require.Equal(t, []string{"reviews"}, hosts[0].Domains)
	require.Equal(t, "jason", hosts[0].Routes[0].Name)
	require.Equal(t, "mesh.yaml:12: VirtualService default/reviews", hosts[0].Routes[0].Metadata.Filter.Istio.Config)
	require.Equal(t, cluster, hosts[0].Routes[0].Route.Weighted.Clusters[0].Name)
	require.InDelta(t, 90, hosts[0].Routes[0].Route.Weighted.Clusters[0].Weight, 0)
	require.Equal(t, "redirect 301", hosts[1].Routes[0].Action)
}

func TestServerInfoAndReady(t *testing.T) {
	var why error
	page := newConsole(t, console.Config{Title: "productpage", Ready: func() error { return why }})
	require.Equal(t, "LIVE\n", get(page, "/ready").Body.String())
	require.Contains(t, get(page, "/server_info").Body.String(), `"state": "LIVE"`)
	require.Contains(t, get(page, "/server_info").Body.String(), `"uptime_current_epoch": "0s"`)
	why = errors.New("no configuration yet")
	w := get(page, "/ready")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "PRE_INITIALIZING\nno configuration yet\n", w.Body.String())
	require.Contains(t, get(page, "/server_info").Body.String(), `"state": "PRE_INITIALIZING"`)
}
