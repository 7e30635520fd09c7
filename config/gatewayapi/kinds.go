package gatewayapi

import (
	"maps"
	"slices"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

const (
	apiGroup          = "gateway.networking.k8s.io"
	experimentalGroup = "gateway.networking.x-k8s.io"
)

// A kind is one that this package knows by name: it is read, or the note says why
// not.
type kind struct {
	group    string
	versions []string
	read     func(*reader)
	note     string
	refused  bool // without it requests would go where they must not
}

// kindOf is a kind of the Gateway API with its checks.
func kindOf[T any](versions []string, list func(*Config) *[]*Object[*T], check func(*reader, *T)) kind {
	return kind{group: apiGroup, versions: versions, read: func(d *reader) {
		for _, e := range d.all.Entries {
			switch e.Key {
			case "apiVersion", "kind", "metadata", "spec", "status":
			default:
				d.refuse(manifest.Top(e.Key), nil, "there is no such field at the top of an object; the settings stand under spec")
			}
		}
		spec := new(T)
		if e := d.all.Get("spec"); e != nil {
			d.Decode(manifest.Top("spec"), e.Value, spec)
		}
		check(d, spec)
		keep(d, list(&d.Config), spec)
	}}
}

// kubernetes is one of Kubernetes' own kinds. Those are read for what routing
// needs of them: an API server has checked them, or will.
func kubernetes(group string, versions []string, read func(*reader)) kind {
	return kind{group: group, versions: versions, read: read}
}

// kinds are the kinds known, by name.
var kinds = map[string]kind{
	"HTTPRoute":      kindOf([]string{"v1", "v1beta1", "v1alpha2"}, func(c *Config) *[]*Object[*HTTPRouteSpec] { return &c.HTTPRoutes }, checkHTTPRoute),
	"GRPCRoute":      kindOf([]string{"v1", "v1alpha2"}, func(c *Config) *[]*Object[*GRPCRouteSpec] { return &c.GRPCRoutes }, checkGRPCRoute),
	"Gateway":        kindOf([]string{"v1", "v1beta1", "v1alpha2"}, func(c *Config) *[]*Object[*GatewaySpec] { return &c.Gateways }, checkGateway),
	"ListenerSet":    kindOf([]string{"v1"}, func(c *Config) *[]*Object[*ListenerSetSpec] { return &c.ListenerSets }, checkListenerSet),
	"ReferenceGrant": kindOf([]string{"v1", "v1beta1", "v1alpha2"}, func(c *Config) *[]*Object[*ReferenceGrantSpec] { return &c.ReferenceGrants }, checkReferenceGrant),

	"GatewayClass":          {group: apiGroup, versions: []string{"v1", "v1beta1"}, read: func(*reader) {}},
	"TLSRoute":              notHTTP("v1", "v1alpha2", "v1alpha3"),
	"TCPRoute":              notHTTP("v1", "v1alpha2"),
	"UDPRoute":              notHTTP("v1", "v1alpha2"),
	"BackendTLSPolicy":      {group: apiGroup, versions: []string{"v1", "v1alpha3"}, refused: true, note: "is not carried out, and without it requests would go out in plain text"},
	"XBackendTrafficPolicy": {group: experimentalGroup, versions: []string{"v1alpha1"}, note: "is not carried out: there is no budget for retries"},

	"Service":       kubernetes("", []string{"v1"}, readService),
	"EndpointSlice": kubernetes("discovery.k8s.io", []string{"v1", "v1beta1"}, readEndpointSlice),
	"Namespace":     kubernetes("", []string{"v1"}, readNamespace),
}

// notHTTP is a kind of routes for what is no HTTP.
func notHTTP(versions ...string) kind {
	return kind{group: apiGroup, versions: versions, note: "is passed over: this package routes HTTP and gRPC"}
}

// kindNames are the names of the API's own kinds.
func kindNames() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		if kinds[name].group == apiGroup {
			names = append(names, name)
		}
	}
	return names
}

func readService(d *reader) {
	s := &Service{}
	d.loose("spec", s)
	keep(d, &d.Services, s)
}

func readEndpointSlice(d *reader) {
	s := &EndpointSlice{Service: d.object.Labels["kubernetes.io/service-name"]}
	d.loose("ports", &s.Ports)
	d.loose("endpoints", &s.Endpoints)
	keep(d, &d.EndpointSlices, s)
}

func readNamespace(d *reader) {
	d.object.Namespace = ""
	keep(d, &d.Namespaces, &Namespace{})
}

// loose reads a field without regard to what it has no place for.
func (d *reader) loose(name string, v any) {
	e := d.all.Get(name)
	if e == nil {
		return
	}
	if err := e.Value.Decode(v); err != nil {
		d.refuse(manifest.Top(name), nil, "cannot be read: %s", manifest.ErrorText(err))
	}
}
