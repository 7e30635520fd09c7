package console

import (
	"fmt"
	"io"
	"math"
	"net"
	"strconv"

	"github.com/sidecarless/mesh/breaker"
)

// The shapes of Envoy's /clusters (envoy.admin.v3.Clusters), as far as there is
// something to say.
type (
	adminClusters struct {
		Statuses []adminCluster `json:"cluster_statuses"`
	}
	adminCluster struct {
		Name     string            `json:"name"`
		ViaAPI   bool              `json:"added_via_api"`
		Hosts    []adminHost       `json:"host_statuses"`
		Breakers adminThresholds   `json:"circuit_breakers"`
		Rates    map[string]string `json:"rates,omitempty"` // ours
	}
	adminThresholds struct {
		Thresholds []map[string]any `json:"thresholds"`
	}
	adminHost struct {
		Address  adminAddress   `json:"address"`
		Stats    []adminStat    `json:"stats"`
		Health   map[string]any `json:"health_status"`
		Weight   float64        `json:"weight"`
		Locality map[string]any `json:"locality"`
		Hostname string         `json:"hostname"`
		Priority uint32         `json:"priority,omitempty"`
	}
	adminAddress struct {
		Socket struct {
			Address string `json:"address"`
			Port    int    `json:"port_value"`
		} `json:"socket_address"`
	}
	adminStat struct {
		Type  string `json:"type,omitempty"`
		Value string `json:"value,omitempty"`
		Name  string `json:"name"`
	}
)

// A threshold is a limit of a cluster under Envoy's name.
type threshold struct {
	name  string
	limit uint32
}

// thresholds are the limits of a cluster. What is not limited has the largest
// number, as a sidecar says it.
func (c *cluster) thresholds() []threshold {
	given := func(n int) uint32 {
		if n == 0 {
			return math.MaxUint32
		}
		return uint32(max(n, 0))
	}
	return []threshold{
		{"max_connections", given(c.limits.MaxConnections)},
		{"max_pending_requests", given(c.limits.MaxPending)},
		{"max_requests", given(c.limits.MaxRequests)},
	}
}

// counts are the numbers of an endpoint under Envoy's names.
func (h *host) counts() []adminStat {
	return []adminStat{
		{"GAUGE", strconv.Itoa(h.Active), "rq_active"},
		{"COUNTER", strconv.FormatUint(h.Failures, 10), "rq_error"},
		{"COUNTER", strconv.FormatUint(h.Requests-min(h.Requests, h.Failures+uint64(h.Active)), 10), "rq_success"},
		{"COUNTER", strconv.FormatUint(h.Requests, 10), "rq_total"},
	}
}

// flags are an endpoint's health in Envoy's words.
func (h *host) flags() string {
	switch {
	case h.Ejected && !h.Healthy:
		return "/failed_active_hc/failed_outlier_check"
	case h.Ejected:
		return "/failed_outlier_check"
	case !h.Healthy:
		return "/failed_active_hc"
	}
	return "healthy"
}

// clusterLines writes cluster::address::key::value, as Envoy does.
func clusterLines(w io.Writer, clusters []*cluster) {
	for _, c := range clusters {
		say := func(key string, value any) { fmt.Fprintf(w, "%s::%s::%v\n", c.name, key, value) }
		for _, t := range c.thresholds() {
			say("default_priority::"+t.name, t.limit)
		}
		say("circuit", c.stats.Breaker.State)
		for i := range c.hosts {
			h := &c.hosts[i]
			say := func(key string, value any) { say(h.Addr+"::"+key, value) }
			for _, s := range h.counts() {
				say(s.Name, s.Value)
			}
			say("hostname", hostnameOf(h.Addr))
			say("health_flags", h.flags())
			say("weight", h.Weight)
			say("region", h.Locality.Region)
			say("zone", h.Locality.Zone)
			say("sub_zone", h.Locality.SubZone)
			say("canary", false)
			say("priority", h.Priority)
			say("success_rate", -1)
			say("local_origin_success_rate", -1)
			if e := h.ejection; e != nil {
				say("ejected_since", e.Since.UTC().Format("2006-01-02T15:04:05.000Z"))
				say("ejected_until", e.Until.UTC().Format("2006-01-02T15:04:05.000Z"))
				say("ejected_for", e.Reason)
			}
		}
	}
}

// hostnameOf is the host of an address that is a name; Envoy leaves it empty for
// others.
func hostnameOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || net.ParseIP(host) != nil {
		return ""
	}
	return host
}

// clusterStatuses is the same as JSON.
func clusterStatuses(clusters []*cluster) adminClusters {
	all := adminClusters{Statuses: []adminCluster{}}
	for _, c := range clusters {
		one := adminCluster{Name: c.name, ViaAPI: true, Hosts: []adminHost{}, Rates: map[string]string{}}
		one.Rates["rps"], one.Rates["errors"], one.Rates["p50"], one.Rates["p99"] = cells(&c.rate)
		if c.stats.Breaker.State != breaker.Closed {
			one.Rates["circuit"] = c.stats.Breaker.State.String()
		}
		limits := map[string]any{"priority": "DEFAULT"}
		for _, t := range c.thresholds() {
			limits[t.name] = t.limit
		}
		one.Breakers.Thresholds = []map[string]any{limits}
		for i := range c.hosts {
			one.Hosts = append(one.Hosts, c.hosts[i].status())
		}
		all.Statuses = append(all.Statuses, one)
	}
	return all
}

func (h *host) status() adminHost {
	one := adminHost{
		Stats: h.counts(), Weight: h.Weight, Hostname: hostnameOf(h.Addr), Priority: h.Priority,
		Health:   map[string]any{"eds_health_status": "HEALTHY"},
		Locality: map[string]any{},
	}
	one.Address.Socket.Address = h.Addr
	if host, port, err := net.SplitHostPort(h.Addr); err == nil {
		one.Address.Socket.Address = host
		one.Address.Socket.Port, _ = strconv.Atoi(port) // one that is no number is none
	}
	if h.Ejected {
		one.Health["failed_outlier_check"] = true
	}
	if !h.Healthy {
		one.Health["failed_active_health_check"] = true
	}
	if e := h.ejection; e != nil {
		one.Health["ejected_since"], one.Health["ejected_until"], one.Health["ejected_for"] = e.Since, e.Until, e.Reason
	}
	for name, value := range map[string]string{"region": h.Locality.Region, "zone": h.Locality.Zone, "sub_zone": h.Locality.SubZone} {
		if value != "" {
			one.Locality[name] = value
		}
	}
	return one
}
