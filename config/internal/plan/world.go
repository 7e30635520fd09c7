package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	mesh "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/kube"
	"github.com/sidecarless/mesh/lb"
)

// Names that Istio takes when nothing else is said.
const (
	DefaultDomain        = "cluster.local" // of the cluster and of trust
	DefaultRootNamespace = "istio-system"
)

// An Object is a resource with its name and where it was read. Lists of them
// are ordered by age, the oldest first.
type Object[T any] struct {
	Namespace, Name string
	Labels          map[string]string
	Annotations     map[string]string
	Spec            T
	Source          string                    // file, line, kind and name, for messages
	Line            func(field string) string // the source of a field below spec; may be nil
}

// A World is everything that was loaded.
type World struct {
	VirtualServices  []Object[*networking.VirtualService]
	DestinationRules []Object[*networking.DestinationRule]
	ServiceEntries   []Object[*networking.ServiceEntry]
	WorkloadEntries  []Object[*networking.WorkloadEntry]
	Gateways         []Object[*networking.Gateway]
	Sidecars         []Object[*networking.Sidecar]
	Services         []Object[*kube.Service]
	EndpointSlices   []Object[*kube.EndpointSlice]
	Pods             []Object[*kube.Pod]
	Mesh             *mesh.MeshConfig // nil: the defaults

	// MeshLine is the source of a field of Mesh; it may be nil.
	MeshLine func(field string) string
}

// MeshAt is where a field of the mesh-wide settings stands.
func (w *World) MeshAt(field string) string {
	if w.MeshLine == nil {
		return "MeshConfig: " + field
	}
	return w.MeshLine(field)
}

// A Client is the workload whose requests are routed.
type Client struct {
	Namespace string
	Labels    map[string]string
	Locality  lb.Locality
	Gateways  []string // names, as namespace/name, of the gateways that it is; empty for a workload of the mesh
}

// A view is the world as one client sees it.
type view struct {
	*World
	client Client
	root   string
	domain string
	trust  string // the domain of identities

	virtualServices  []Object[*networking.VirtualService]  // with full names
	destinationRules []Object[*networking.DestinationRule] // with full names
	services         map[string]*Service
	aliases          map[string]string         // a service that is only another name of one
	policies         map[string]*policySource  // of a service, by host; filled when asked
	indexes          map[indexKey]*policyIndex // filled when asked
	errs             []error                   // what is wrong with endpoints
}

func newView(w *World, c Client) *view {
	if c.Namespace == "" {
		c.Namespace = "default"
	}
	v := &view{
		World: w, client: c, root: DefaultRootNamespace, domain: DefaultDomain, trust: DefaultDomain,
		aliases: map[string]string{}, policies: map[string]*policySource{}, indexes: map[indexKey]*policyIndex{},
	}
	if w.Mesh.GetRootNamespace() != "" {
		v.root = w.Mesh.GetRootNamespace()
	}
	if w.Mesh.GetTrustDomain() != "" {
		v.trust = w.Mesh.GetTrustDomain()
	}
	for _, vs := range w.VirtualServices {
		v.virtualServices = append(v.virtualServices, v.fullNames(vs))
	}
	for _, dr := range w.DestinationRules {
		v.destinationRules = append(v.destinationRules, v.fullName(dr))
	}
	v.services = v.findServices()
	return v
}

// err is everything that is wrong with endpoints.
func (v *view) err() error { return errors.Join(v.errs...) }

// everyone is what a resource is exported to when neither it nor the mesh says.
var everyone = []string{"*"}

// exports is to which namespaces something is exported: what it says, or else
// what the mesh says, or else all.
func exports(own, ofMesh []string) []string {
	switch {
	case len(own) > 0:
		return own
	case len(ofMesh) > 0:
		return ofMesh
	}
	return everyone
}

// exportedTo reports whether what a resource of the namespace owner exports can
// be seen from namespace to.
func exportedTo(exportTo []string, owner, to string) bool {
	return slices.ContainsFunc(exportTo, func(e string) bool {
		return e == "*" || e == to || e == "." && owner == to
	})
}

// byNearness puts first what is exported to namespace to by name, or is private
// to it, and then what is exported to all; what it does not see is left out.
func byNearness[T any](objects []Object[T], to string, exportTo func(T) []string) []Object[T] {
	var private, named, public []Object[T]
	for _, o := range objects {
		e := exportTo(o.Spec)
		switch {
		case !exportedTo(e, o.Namespace, to):
		case slices.Contains(e, "*"):
			public = append(public, o)
		case o.Namespace == to:
			private = append(private, o)
		default:
			named = append(named, o)
		}
	}
	return slices.Concat(private, named, public)
}

// contains reports whether labels has all of want with the same values.
func contains(labels, want map[string]string) bool {
	for k, v := range want {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// union is b with the entries of a whose keys it lacks.
func union[V any](a, b map[string]V) map[string]V {
	if len(a) == 0 {
		return b
	}
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// sortedKeys are the keys of m in order, so that what is made from a map is the
// same each time.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// at is the source of element i of a list in the object's spec, or of the object
// where lines are not known.
func (o Object[T]) at(list string, i int) string {
	if o.Line == nil {
		return o.Source
	}
	return o.Line(fmt.Sprintf("spec.%s[%d]", list, i))
}
