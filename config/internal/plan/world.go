package plan

import (
	"fmt"
	"maps"
	"slices"

	mesh "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/lb"
)

// Names that Istio takes when nothing else is said.
const (
	DefaultDomain        = "cluster.local"
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
	Mesh             *mesh.MeshConfig // nil: the defaults
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
	client   Client
	root     string
	domain   string
	services map[string]*Service
	rules    map[string]*policySource // of a service, by host; filled when asked
}

func newView(w *World, c Client) *view {
	if c.Namespace == "" {
		c.Namespace = "default"
	}
	v := &view{World: w, client: c, root: DefaultRootNamespace, domain: DefaultDomain, rules: map[string]*policySource{}}
	if w.Mesh.GetRootNamespace() != "" {
		v.root = w.Mesh.GetRootNamespace()
	}
	v.services = v.findServices()
	return v
}

// exportedTo reports whether what a resource of the namespace owner exports can
// be seen from namespace to. Nothing said is everything.
func exportedTo(exportTo []string, owner, to string) bool {
	if len(exportTo) == 0 {
		return true
	}
	return slices.ContainsFunc(exportTo, func(e string) bool {
		return e == "*" || e == to || e == "." && owner == to
	})
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
