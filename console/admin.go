package console

import (
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"
)

// serveAdmin answers for the paths of Envoy's admin interface that are no pages,
// and reports whether path is one.
func (c *Console) serveAdmin(w http.ResponseWriter, r *http.Request, path string) bool {
	switch path {
	case "stats":
		c.stats(w, r)
	case "stats/prometheus":
		c.prometheus(w, r)
	case "config_dump":
		w.Header().Set("Content-Type", "application/json")
		writeJSON(w, configDump(c.state()))
	case "server_info":
		w.Header().Set("Content-Type", "application/json")
		writeJSON(w, c.serverInfo())
	case "ready":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if why := c.notReady(); why != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintf(w, "PRE_INITIALIZING\n%v\n", why)
			return true
		}
		fmt.Fprintln(w, "LIVE")
	default:
		return false
	}
	return true
}

func (c *Console) notReady() error {
	if c.config.Ready == nil {
		return nil
	}
	return c.config.Ready()
}

// serverInfo has the shape of Envoy's (envoy.admin.v3.ServerInfo).
func (c *Console) serverInfo() map[string]any {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Path + " " + info.Main.Version
	}
	up := fmt.Sprintf("%ds", int(time.Since(c.started).Seconds()))
	state := "LIVE"
	if c.notReady() != nil {
		state = "PRE_INITIALIZING"
	}
	return map[string]any{
		"version": version + " " + runtime.Version(), "state": state,
		"uptime_current_epoch": up, "uptime_all_epochs": up,
		"hot_restart_version": "disabled", "node": map[string]string{"id": c.config.Title},
	}
}

// configDump has the shape of Envoy's (envoy.admin.v3.ConfigDump): the clusters,
// and the rules as routes of virtual hosts, each with the place where it was
// written.
func configDump(s *state) map[string]any {
	const types = "type.googleapis.com/envoy."
	clusters := []any{}
	for _, c := range s.clusters {
		if c.gone {
			continue
		}
		limits := map[string]any{}
		for _, t := range c.thresholds() {
			limits[t.name] = t.limit
		}
		clusters = append(clusters, map[string]any{"cluster": map[string]any{
			"@type": types + "config.cluster.v3.Cluster", "name": c.name,
			"circuit_breakers": map[string]any{"thresholds": []any{limits}},
		}})
	}
	routes, resources, warnings := []any{}, []any{}, []string{}
	for _, config := range s.configs {
		routes = append(routes, map[string]any{"route_config": map[string]any{
			"@type":         types + "config.route.v3.RouteConfiguration",
			"virtual_hosts": virtualHosts(config.Rules),
		}})
		for _, r := range config.Resources {
			resources = append(resources, map[string]string{"kind": r.Kind, "name": r.Name, "source": r.Source})
		}
		for _, p := range config.Warnings {
			warnings = append(warnings, p.Error())
		}
	}
	return map[string]any{"configs": []any{
		map[string]any{"@type": types + "admin.v3.ClustersConfigDump", "dynamic_active_clusters": clusters},
		map[string]any{"@type": types + "admin.v3.RoutesConfigDump", "dynamic_route_configs": routes},
		map[string]any{"@type": "github.com/sidecarless/mesh/console.Configuration", "resources": resources, "warnings": warnings},
	}}
}

// virtualHosts gathers rules that are for the same hosts.
func virtualHosts(rules []Rule) []map[string]any {
	hosts := []map[string]any{}
	last := ""
	for _, r := range rules {
		name := fmt.Sprint(r.Hosts)
		if len(hosts) == 0 || name != last {
			domains := r.Hosts
			if len(domains) == 0 {
				domains = []string{"*"}
			}
			hosts = append(hosts, map[string]any{"name": domains[0], "domains": domains, "routes": []any{}})
			last = name
		}
		host := hosts[len(hosts)-1]
		host["routes"] = append(host["routes"].([]any), routeDump(r))
	}
	return hosts
}

func routeDump(r Rule) map[string]any {
	route := map[string]any{
		"name": r.Name, "match": map[string]string{"description": r.Match},
		"metadata": map[string]any{"filter_metadata": map[string]any{"istio": map[string]string{"config": r.Source}}},
	}
	weighted, copies := []any{}, []any{}
	for _, b := range r.Branches {
		if b.Copies {
			copies = append(copies, map[string]any{"cluster": b.Upstream, "percent": b.Percent})
		} else {
			weighted = append(weighted, map[string]any{"name": b.Upstream, "weight": b.Percent})
		}
	}
	switch {
	case r.Then != "":
		route["action"] = r.Then
	case len(weighted) == 1 && len(copies) == 0:
		route["route"] = map[string]any{"cluster": r.Branches[0].Upstream}
	default:
		route["route"] = map[string]any{"weighted_clusters": map[string]any{"clusters": weighted}, "request_mirror_policies": copies}
	}
	return route
}
