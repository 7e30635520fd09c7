package gatewayapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/rawpath"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

// table makes the rules of routes on one port, the oldest route first.
func (b *builder) table(scheme string, port uint16, inMesh bool, list []attachment) http.RoundTripper {
	var all []candidate
	joined := map[string]bool{}
	for _, a := range list {
		at := site{route: a.route, scheme: scheme, port: port, inMesh: inMesh}
		for i := range a.route.rules {
			r := &a.route.rules[i]
			value := b.rule(at, r)
			name := a.route.id()
			if r.name != "" {
				name += "/" + r.name
			}
			for _, m := range r.matches {
				for _, h := range m.Headers {
					joined[http.CanonicalHeaderKey(h.Name)] = true
				}
				for _, host := range a.hosts {
					all = append(all, candidate{host: host, match: m, rule: route.ClientRule{Name: name, Value: value}})
				}
			}
		}
	}
	t, err := route.New(byPrecedence(all)...)
	if err != nil {
		b.errs = append(b.errs, err)
		return nil
	}
	next := route.Transport(t)
	if len(joined) > 0 {
		next = joining{slices.Sorted(maps.Keys(joined)), next}
	}
	return normal{next}
}

// normal makes paths normal before they are compared, as proxies do, so that /a/../b
// is /b to every rule.
type normal struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (n normal) RoundTrip(r *http.Request) (*http.Response, error) {
	v := match.ViewOf(r)
	path := v.Path()
	to, ok := match.NormalizePath(path, match.PathBase)
	if !ok {
		return refusal{status: http.StatusBadRequest, details: "path_normalization_failed"}.RoundTrip(r)
	}
	if to != path {
		r = flow.Own(r)
		u := *r.URL
		rawpath.Set(&u, to)
		r.URL = &u
	}
	return n.next.RoundTrip(r)
}

// joining makes one line of headers that rules look at and that come on several:
// that is what the API compares.
type joining struct {
	names []string
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (j joining) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, name := range j.names {
		if lines := r.Header[name]; len(lines) > 1 {
			separator := ","
			if name == "Cookie" {
				separator = "; "
			}
			r = flow.OwnHeader(r)
			r.Header[name] = []string{strings.Join(lines, separator)}
		}
	}
	return j.next.RoundTrip(r)
}

// noRoute is the answer where no listener is for a host.
func noRoute() refusal {
	return refusal{status: http.StatusNotFound, flag: mesh.NoRoute, details: mesh.DetailsRouteNotFound}
}
