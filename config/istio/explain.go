package istio

import (
	"cmp"
	"net/http"

	"github.com/sidecarless/mesh/config/internal/build"
	"github.com/sidecarless/mesh/config/internal/plan"
)

// An Explanation says what becomes of a request, and why: the rule that is taken,
// why those before it are not, where the request goes, and under which settings.
// Its String is for people; as JSON it is for programs.
type Explanation struct {
	Method string `json:"method"`
	Host   string `json:"host"`
	Port   uint16 `json:"port"` // the service port asked for
	Path   string `json:"path"` // as it is matched

	// Refused says why no rule is taken; empty if one is.
	Refused string `json:"refused,omitempty"`

	Passed []PassedRule `json:"passed,omitempty"` // the rules before the one that is taken
	Rule   *TakenRule   `json:"rule,omitempty"`

	Destinations []ExplainedDestination `json:"destinations,omitempty"`
}

// A PassedRule is one that does not match.
type PassedRule struct {
	Name   string `json:"name,omitempty"`
	Source string `json:"source"` // file, line, kind and name
	Reason string `json:"reason"`
}

// A TakenRule is the rule for a request.
type TakenRule struct {
	Name     string    `json:"name,omitempty"`
	Source   string    `json:"source"` // file, line, kind and name; of the service, when no VirtualService is for it
	Settings []Setting `json:"settings"`
}

// A Setting is one thing that is in force, and where it comes from: file, line,
// kind and name, or [DefaultOfIstio].
type Setting struct {
	Name   string `json:"name"` // as in YAML
	Value  string `json:"value"`
	Source string `json:"source"`
}

// DefaultOfIstio is the source of settings that nothing was said about.
const DefaultOfIstio = "default of Istio"

// An ExplainedDestination is one of the places where the request can go.
type ExplainedDestination struct {
	Cluster string  `json:"cluster"` // as Envoy names it
	Host    string  `json:"host"`
	Subset  string  `json:"subset,omitempty"`
	Port    uint32  `json:"port"`
	Share   float64 `json:"share"` // per cent of the rule's requests; of copies for a mirror
	Asked   string  `json:"asked"` // where the rule names the destination and its share
	Mirror  bool    `json:"mirror,omitempty"`

	// Missing says that there is no such service, port or subset: requests to it are
	// answered with 503.
	Missing bool `json:"missing,omitempty"`

	Source    string              `json:"source,omitempty"` // of the service
	Endpoints []ExplainedEndpoint `json:"endpoints"`
	Settings  []Setting           `json:"settings,omitempty"`
}

// An ExplainedEndpoint is an endpoint as it is now.
type ExplainedEndpoint struct {
	Address  string  `json:"address"`
	Weight   float64 `json:"weight"`
	Locality string  `json:"locality,omitempty"`
	Priority uint32  `json:"priority"`
	Ejected  bool    `json:"ejected,omitempty"`
	Source   string  `json:"source"` // where it is written; of one that a name led to, the name
}

// Explain says what the client would do with r, as things are now, without doing
// it. It reads documents again for the numbers of lines and takes milliseconds.
func (c *Client) Explain(r *http.Request) Explanation {
	d, err := c.mesh.Explain(r)
	if err != nil {
		return Explanation{Refused: err.Error()}
	}
	e := explanationOf(d, r)
	if e.Rule == nil {
		e.Refused = refusal(d)
	}
	return e
}

// explanationOf tells a decision, but not why no rule was taken.
func explanationOf(d *build.Decision, r *http.Request) Explanation {
	e := Explanation{Method: cmp.Or(r.Method, http.MethodGet), Host: hostOf(r), Port: d.Port, Path: d.Path}
	for _, p := range d.Passed {
		e.Passed = append(e.Passed, PassedRule{p.Rule.Name, p.Rule.Place.String(), p.Reason})
	}
	if d.Rule != nil {
		e.Rule = &TakenRule{d.Rule.Name, d.Rule.Place.String(), ruleSettings(d)}
		e.Destinations = destinationsOf(d)
	}
	return e
}

func hostOf(r *http.Request) string {
	if r.Host != "" || r.URL == nil {
		return r.Host
	}
	return r.URL.Host
}

// refusal says why no rule is taken.
func refusal(d *build.Decision) string {
	switch {
	case d.Malformed != "":
		return "400: " + d.Malformed
	case d.Host != nil:
		return "404: no rule of the host matches"
	case d.Refuse:
		return "502: no resource names the host, and outboundTrafficPolicy is REGISTRY_ONLY"
	}
	return "no resource names the host: it goes to ClientConfig.Unknown, and without one is answered with 503"
}

// destinationsOf are where the rule's requests and copies go.
func destinationsOf(d *build.Decision) []ExplainedDestination {
	if d.Rule.Route.GetRedirect() != nil || d.Rule.Route.GetDirectResponse() != nil {
		return nil
	}
	var total float64
	for _, to := range d.Rule.Destinations {
		total += float64(to.Weight)
	}
	var all []ExplainedDestination
	for _, to := range d.Rule.Destinations {
		one := destinationOf(d, to.Cluster, to.Field)
		one.Share = 100 * float64(to.Weight) / total
		all = append(all, one)
	}
	for _, to := range d.Rule.Mirrors {
		one := destinationOf(d, to.Cluster, to.Field)
		one.Share, one.Mirror = to.Percent, true
		all = append(all, one)
	}
	return all
}

func destinationOf(d *build.Decision, c plan.Cluster, field string) ExplainedDestination {
	e := ExplainedDestination{
		Cluster: c.String(), Host: c.Host, Subset: c.Subset, Port: c.Port,
		Asked: d.Rule.Place.Of(field), Endpoints: []ExplainedEndpoint{},
	}
	t, ok := d.Targets[c]
	if !ok {
		e.Missing = true
		return e
	}
	e.Source = t.Service.Source
	for _, h := range t.Stats.Hosts {
		e.Endpoints = append(e.Endpoints, ExplainedEndpoint{
			Address: h.Addr, Weight: h.Weight, Locality: h.Locality.String(), Priority: h.Priority, Ejected: h.Ejected,
			Source: t.SourceOf(h.Addr),
		})
	}
	e.Settings = policySettings(t.Target, d.World)
	return e
}
