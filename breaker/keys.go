package breaker

import (
	"container/list"
	"net/http"
	"sync"
	"time"

	"github.com/sidecarless/mesh/internal/flow"
)

// PerEndpoint is a [Config.Key] that gives each address a circuit. The layer has
// to be inside of the balancer, as upstream.Config.Attempt is.
func PerEndpoint(r *http.Request) (string, bool) { return r.URL.Host, r.URL.Host != "" }

// PerRoute is a [Config.Key] that gives each rule of a route table a circuit. The
// layer has to be inside of the route, and both inside of a layer that keeps a record
// of each request, such as an access.Sink: without a record all requests share a
// circuit.
func PerRoute(r *http.Request) (string, bool) {
	route := ""
	if t := flow.TryOf(r); t != nil {
		route = t.Choice().Route
	} else if f := flow.Served(r); f != nil {
		route = f.Route
	}
	return route, route != ""
}

// circuits are those of the keys used last.
type circuits struct {
	most int

	mu    sync.Mutex // guards all below
	byKey map[string]*list.Element
	used  list.List // of *keyed, the one used last in front
}

type keyed struct {
	*circuit
	used time.Time
}

func newCircuits(most int) *circuits {
	return &circuits{most: most, byKey: make(map[string]*list.Element)}
}

// get is the circuit for a key. Making room for a new one drops those that were
// not used for long.
func (c *circuits) get(key string, build func() *circuit) *circuit {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[key]; e != nil {
		c.used.MoveToFront(e)
		k := e.Value.(*keyed)
		k.used = now
		return k.circuit
	}
	for last := c.used.Back(); last != nil; last = c.used.Back() {
		k := last.Value.(*keyed)
		if c.used.Len() < c.most && now.Sub(k.used) < keyIdle {
			break
		}
		c.used.Remove(last)
		delete(c.byKey, k.key)
	}
	k := &keyed{build(), now}
	c.byKey[key] = c.used.PushFront(k)
	return k.circuit
}

// all are the circuits, those used last first.
func (c *circuits) all() []*circuit {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*circuit, 0, c.used.Len())
	for e := c.used.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*keyed).circuit)
	}
	return all
}
