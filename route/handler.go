package route

import (
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// Handler serves each request with the value of its rule. Without a rule it
// answers 404. A rule's name goes into the request's record, if it has one.
func Handler(t *Table[http.Handler]) http.Handler { return handler{t} }

type handler struct{ table *Table[http.Handler] }

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rule, ok := h.table.Lookup(r)
	if !ok || rule.Value == nil {
		mesh.WriteError(w, r, noRoute(rule))
		return
	}
	if f := flow.Served(r); f != nil {
		f.Route = rule.Name
	}
	rule.Value.ServeHTTP(w, r)
}
