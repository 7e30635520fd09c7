package route

import (
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// Transport sends each request to the value of its rule. Without a rule the
// request is refused: flag NR, status 404. A rule's name goes into the request's
// record, if it has one, and into errors of ours that name no route. A rule
// without a value refuses, too.
func Transport(t *Table[http.RoundTripper]) http.RoundTripper { return transport{t} }

type transport struct{ table *Table[http.RoundTripper] }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	rule, ok := t.table.Lookup(r)
	if !ok || rule.Value == nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, noRoute(rule)
	}
	if t := flow.TryOf(r); t != nil {
		t.Choice().Route = rule.Name
	}
	res, err := rule.Value.RoundTrip(r)
	if err != nil {
		err = named(err, rule.Name)
	}
	return res, err
}

// named is err with the rule's name, if it is an error of ours without one. The
// error may be held by others, the cause of a context say, and is not written to.
func named(err error, route string) error {
	e, ok := err.(*mesh.Error)
	if !ok || e.Route != "" || route == "" {
		return err
	}
	c := *e
	c.Route = route
	return &c
}

// noRoute refuses a request that no rule fits, or whose rule leads nowhere.
func noRoute[T any](rule *Rule[T]) error {
	e := &mesh.Error{Op: "route", Flag: mesh.NoRoute, Status: http.StatusNotFound, Stage: mesh.NotSent, Details: mesh.DetailsRouteNotFound}
	if rule != nil {
		e.Route = rule.Name
	}
	return e
}
