package console

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/breaker"
)

// A stat is a number under Envoy's name for it.
type stat struct {
	cluster, name string // cluster is empty for those of the process
	gauge         bool
	value         uint64
}

// stats are all numbers, those of a cluster together.
func (s *state) stats() []stat {
	all := []stat{
		{"", "http.downstream_rq_completed", false, s.total.Total},
		{"", "http.downstream_rq_failed", false, s.total.Failed},
	}
	for _, c := range s.clusters {
		if c.gone {
			continue
		}
		count := func(name string, n uint64) { all = append(all, stat{c.name, name, false, n}) }
		gauge := func(name string, n int) { all = append(all, stat{c.name, name, true, uint64(max(n, 0))}) }
		requests, active := uint64(0), 0
		for i := range c.hosts {
			requests += c.hosts[i].Requests
			active += c.hosts[i].Active
		}
		st := &c.stats
		count("upstream_rq_total", requests)
		gauge("upstream_rq_active", active)
		count("upstream_rq_completed", c.rate.Total)
		gauge("upstream_rq_pending_active", st.Limits.Pending)
		count("upstream_rq_pending_overflow", max(st.Limits.Overflows, st.Breaker.Overflows))
		count("upstream_rq_retry", st.Retries.Retries)
		count("upstream_rq_retry_success", st.Retries.Rescued)
		count("upstream_rq_retry_limit_exceeded", st.Retries.Exhausted)
		count("upstream_rq_retry_overflow", st.Retries.OverBudget)
		gauge("upstream_cx_active", st.Connections.Open)
		count("upstream_cx_total", st.Connections.Opened)
		count("upstream_cx_connect_fail", st.Connections.Failed)
		gauge("membership_total", len(c.hosts))
		gauge("membership_healthy", c.usable)
		gauge("outlier_detection.ejections_active", st.Ejections.Ejected)
		count("outlier_detection.ejections_enforced_total", st.Ejections.Enforced)
		count("outlier_detection.ejections_detected_total", st.Ejections.Detected)
		count("outlier_detection.ejections_overflow", st.Ejections.Overflow)
		open := 0
		if st.Breaker.State == breaker.Open {
			open = 1
		}
		gauge("circuit.open", open)
		count("circuit.trips", st.Breaker.Trips)
		count("circuit.refused", st.Breaker.Refused)
	}
	return all
}

func (s stat) full() string {
	if s.cluster == "" {
		return s.name
	}
	return "cluster." + s.cluster + "." + s.name
}

// stats answers /stats: lines, or with ?format=json or prometheus another form, of
// those whose name ?filter=, a regular expression, fits.
func (c *Console) stats(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("format") == "prometheus" {
		c.prometheus(w, r)
		return
	}
	filter, err := regexp.Compile(q.Get("filter"))
	if err != nil {
		http.Error(w, "console: filter: "+err.Error(), http.StatusBadRequest)
		return
	}
	all := slices.DeleteFunc(c.state().stats(), func(s stat) bool {
		return !filter.MatchString(s.full()) || q.Has("usedonly") && s.value == 0
	})
	if formatOf(r) == formatJSON {
		type jsonStat struct {
			Name  string `json:"name"`
			Value uint64 `json:"value"`
		}
		list := []jsonStat{}
		for _, s := range all {
			list = append(list, jsonStat{s.full(), s.value})
		}
		w.Header().Set("Content-Type", "application/json")
		writeJSON(w, map[string]any{"stats": list})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, s := range all {
		fmt.Fprintf(w, "%s: %d\n", s.full(), s.value)
	}
}

// prometheus answers by the handler that was given, or with these numbers alone.
func (c *Console) prometheus(w http.ResponseWriter, r *http.Request) {
	if c.config.Metrics != nil {
		c.config.Metrics.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	writeExposition(w, c.state().stats())
}

// writeExposition writes stats in Prometheus' text format, those of one name
// together.
func writeExposition(w io.Writer, all []stat) {
	slices.SortStableFunc(all, func(a, b stat) int { return strings.Compare(a.metric(), b.metric()) })
	label := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	last := ""
	for _, s := range all {
		name := s.metric()
		if name != last {
			kind := "counter"
			if s.gauge {
				kind = "gauge"
			}
			fmt.Fprintf(w, "# TYPE %s %s\n", name, kind)
			last = name
		}
		if s.cluster == "" {
			fmt.Fprintf(w, "%s %d\n", name, s.value)
		} else {
			fmt.Fprintf(w, "%s{cluster_name=\"%s\"} %d\n", name, label.Replace(s.cluster), s.value)
		}
	}
}

// metric is the name under which Envoy's own exposition has it.
func (s stat) metric() string {
	prefix := "envoy_"
	if s.cluster != "" {
		prefix = "envoy_cluster_"
	}
	return prefix + strings.ReplaceAll(s.name, ".", "_")
}
