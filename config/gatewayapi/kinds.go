package gatewayapi

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh/config/internal/kube"
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
func kindOf[T any](list func(*Config) *[]*object[T], check func(*reader, *T), versions ...string) kind {
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

// kubernetes is one of Kubernetes' own kinds.
func kubernetes[T any](group string, list func(*Config) *[]*object[T], read func(*kube.Object) *T, versions ...string) kind {
	return kind{group: group, versions: versions, read: func(d *reader) { keep(d, list(&d.Config), read(d.kube())) }}
}

// kube is the object as one of Kubernetes' own.
func (d *reader) kube() *kube.Object {
	return &kube.Object{
		Fields: d.all, Labels: d.res.labels,
		Reject: func(p *manifest.Path, _ *yaml.Node, reason string) { d.refuse(p, nil, "%s", reason) },
	}
}

// readNamespace reads a Namespace, which is in none.
func readNamespace(d *reader) {
	d.res.namespace = ""
	keep(d, &d.namespaces, kube.ReadNamespace(d.kube()))
}

// kinds are the kinds known, by name.
var kinds = map[string]kind{
	"HTTPRoute":      kindOf(func(c *Config) *[]*object[routeSpec[httpRule]] { return &c.httpRoutes }, checkHTTPRoute, "v1", "v1beta1", "v1alpha2"),
	"GRPCRoute":      kindOf(func(c *Config) *[]*object[routeSpec[grpcRule]] { return &c.grpcRoutes }, checkGRPCRoute, "v1", "v1alpha2"),
	"Gateway":        kindOf(func(c *Config) *[]*object[gatewaySpec] { return &c.gateways }, checkGateway, "v1", "v1beta1", "v1alpha2"),
	"ListenerSet":    kindOf(func(c *Config) *[]*object[listenerSetSpec] { return &c.listenerSets }, checkListenerSet, "v1"),
	"ReferenceGrant": kindOf(func(c *Config) *[]*object[referenceGrantSpec] { return &c.referenceGrants }, checkReferenceGrant, "v1", "v1beta1", "v1alpha2"),

	"GatewayClass":          {group: apiGroup, versions: []string{"v1", "v1beta1"}, read: func(*reader) {}},
	"TLSRoute":              notHTTP("v1", "v1alpha2", "v1alpha3"),
	"TCPRoute":              notHTTP("v1", "v1alpha2"),
	"UDPRoute":              notHTTP("v1", "v1alpha2"),
	"BackendTLSPolicy":      {group: apiGroup, versions: []string{"v1", "v1alpha3"}, refused: true, note: "is not carried out, and without it requests would go out in plain text"},
	"XBackendTrafficPolicy": {group: experimentalGroup, versions: []string{"v1alpha1"}, note: "is not carried out: there is no budget for retries"},

	"Service":       kubernetes("", func(c *Config) *[]*object[kube.Service] { return &c.services }, kube.ReadService, "v1"),
	"EndpointSlice": kubernetes("discovery.k8s.io", func(c *Config) *[]*object[kube.EndpointSlice] { return &c.endpointSlices }, kube.ReadEndpointSlice, "v1", "v1beta1"),
	"Namespace":     {versions: []string{"v1"}, read: readNamespace},
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
