package console

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/console/internal/traffic"
	"github.com/sidecarless/mesh/console/internal/words"
)

// clusterHosts is how many endpoints of a cluster a page shows, the worst and
// busiest first; text and JSON have them all.
const clusterHosts = 100

// A clusterRow is a cluster in a table.
type clusterRow struct {
	Name, Short, State, Icon, Why  string
	Usable, Total                  int
	Rate, Errors, P50, P99         string
	Requests, Connections, Retries string
	Overflows                      uint64
	Circuit                        string
	Hosts                          []hostRow
	More                           int
	Levels                         []string
}

// A hostRow is an endpoint in a table.
type hostRow struct {
	Addr, State, Icon, Word, Why string
	Rate, Errors, P50, P99       string
	Active                       int
	Total, Failed                uint64
	Weight, Locality             string
}

// row is c for a table.
func (c *cluster) row() clusterRow {
	st := &c.stats
	r := clusterRow{
		Name: c.name, Short: words.ShortName(c.name), State: stateOf(&c.rate), Usable: c.usable, Total: len(c.hosts),
		Requests: ofLimit(st.Limits.Requests, c.limits.MaxRequests), Connections: ofLimit(st.Connections.Open, c.limits.MaxConnections),
		Overflows: max(st.Limits.Overflows, st.Breaker.Overflows), Circuit: st.Breaker.State.String(),
	}
	r.Rate, r.Errors, r.P50, r.P99 = cells(&c.rate)
	switch {
	case c.gone:
		r.Why = "known by its traffic only"
	case len(c.hosts) == 0:
		r.State, r.Why = "bad", "no endpoints"
	case st.Breaker.State != breaker.Closed:
		r.State, r.Why = "bad", "circuit "+st.Breaker.State.String()
	case c.usable == 0:
		r.State, r.Why = "bad", "no endpoint can be used"
	case c.ejected > 0:
		r.State, r.Why = "warn", fmt.Sprint(c.ejected, " ejected")
	case c.usable < len(c.hosts):
		r.State, r.Why = "warn", fmt.Sprint(len(c.hosts)-c.usable, " unhealthy")
	}
	r.Icon = icons[r.State]
	return r
}

// full is c with its endpoints.
func (c *cluster) full() clusterRow {
	r := c.row()
	hosts := c.worst()
	slices.SortStableFunc(hosts, func(a, b host) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), -cmp.Compare(a.rate.PerSecond, b.rate.PerSecond))
	})
	if len(hosts) <= 2*maxEndpoints {
		hosts = c.hosts // a short list stays in its order
	}
	for i := range hosts[:min(len(hosts), clusterHosts)] {
		r.Hosts = append(r.Hosts, hosts[i].row())
	}
	r.More = len(hosts) - len(r.Hosts)
	for _, l := range c.levels {
		if len(c.levels) > 1 || l.Panic {
			text := fmt.Sprintf("priority %d gets %d %%, %d of %d usable", l.Priority, l.Share, l.Usable, l.Hosts)
			if l.Panic {
				text += ", panic: all are used"
			}
			r.Levels = append(r.Levels, text)
		}
	}
	return r
}

func (h *host) row() hostRow {
	r := hostRow{
		Addr: h.Addr, Active: h.Active, Total: h.Requests, Failed: h.Failures,
		Weight: fmt.Sprintf("%.3g", h.Weight), Locality: strings.Trim(h.Locality.String(), "/"), Word: "in use",
	}
	r.State, r.Why = h.state()
	r.Rate, r.Errors, r.P50, r.P99 = cells(h.rate)
	switch {
	case h.Ejected:
		r.Word = "ejected"
		if e := h.ejection; e != nil {
			r.Why = fmt.Sprintf("since %s, until %s: %s", words.Clock(e.Since), words.Clock(e.Until), strings.TrimSpace(string(e.Reason)+" "+e.Detail))
		}
	case !h.Healthy:
		r.Word, r.Why = "unhealthy", ""
	}
	r.Icon = icons[r.State]
	return r
}

// cells are the rate, error share and latencies for a table.
func cells(f *traffic.Rate) (rate, errors, p50, p99 string) {
	if f.Count == 0 {
		return "–", "–", "–", "–"
	}
	return words.PerSecond(f.PerSecond), words.Percent(f.ErrorPct), words.Short(f.P50), words.Short(f.P99)
}

// ofLimit is a number and the limit on it.
func ofLimit(n, limit int) string {
	if limit == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d of %d", n, limit)
}

// A clusterList is the page of all clusters.
type clusterList struct {
	Rows   []clusterRow
	Name   string // as asked for
	Window string
	Others []circuitRow
}

// A circuitRow is a breaker by itself.
type circuitRow struct{ Name, State, Icon, Text string }

func (c *Console) clusters(s *state, r *http.Request) view {
	name := r.URL.Query().Get("name")
	list := clusterList{Name: name, Window: words.Short(s.window.Round(time.Second))}
	chosen := slices.DeleteFunc(slices.Clone(s.clusters), func(c *cluster) bool {
		return !strings.Contains(c.name, name) && !strings.Contains(words.ShortName(c.name), name)
	})
	if f := formatOf(r); f == formatHTML || f == formatStream {
		shown := 0
		for _, one := range chosen {
			row := one.row()
			if shown += min(len(one.hosts), clusterHosts); shown <= 4*clusterHosts {
				row = one.full()
			}
			list.Rows = append(list.Rows, row)
		}
		for _, one := range s.circuits {
			state := map[breaker.State]string{breaker.Open: "bad", breaker.HalfOpen: "warn", breaker.Closed: "ok"}[one.stats.State]
			list.Others = append(list.Others, circuitRow{
				cmp.Or(one.name, "breaker"), one.stats.State.String(), icons[state],
				fmt.Sprintf("%d succeeded, %d failed, %d refused, opened %d times", one.stats.Successes, one.stats.Failures, one.stats.Refused, one.stats.Trips),
			})
		}
	}
	return view{
		title: "Destinations", page: "clusters", live: true, html: list,
		text: func(w io.Writer) { clusterLines(w, chosen) }, json: func() any { return clusterStatuses(chosen) },
	}
}
