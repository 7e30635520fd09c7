package gatewayapi

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/kube"
)

// A resource is what all objects have.
type resource struct {
	kind            string
	namespace, name string // the namespace is "default" when the document names none
	labels          map[string]string
	created         time.Time // metadata.creationTimestamp; zero when absent

	file  string
	line  int // of the object's first key
	order int // position over all files and documents
}

// An object is a resource with what it holds.
type object[T any] struct {
	*resource
	spec *T
}

func (r *resource) id() string { return r.namespace + "/" + r.name }

// key is "Kind namespace/name".
func (r *resource) key() string { return r.kind + " " + r.id() }

// source names the object in messages: "mesh.yaml:12: HTTPRoute shop/reviews".
func (r *resource) source() string { return fmt.Sprintf("%s:%d: %s", r.file, r.line, r.key()) }

// compareAge is negative if r is older than o, which decides conflicts between them:
// objects without a creation time come first, by their place in the files, then the
// others by time, namespace and name.
func (r *resource) compareAge(o *resource) int {
	if c := r.created.Compare(o.created); c != 0 || r.created.IsZero() {
		return cmp.Or(c, cmp.Compare(r.order, o.order))
	}
	return cmp.Or(cmp.Compare(r.id(), o.id()), cmp.Compare(r.order, o.order))
}

// A Config is what was read from documents. It does not change any more.
type Config struct {
	problems []problem

	// The objects of each kind, the oldest first.
	httpRoutes      []*object[routeSpec[httpRule]]
	grpcRoutes      []*object[routeSpec[grpcRule]]
	gateways        []*object[gatewaySpec]
	listenerSets    []*object[listenerSetSpec]
	referenceGrants []*object[referenceGrantSpec]
	services        []*object[kube.Service]
	endpointSlices  []*object[kube.EndpointSlice]
	namespaces      []*object[kube.Namespace]

	serviceByID   map[string]*object[kube.Service]
	namespaceByID map[string]*object[kube.Namespace]
	gatewayByID   map[string]*object[gatewaySpec]
	slicesOf      map[string][]*object[kube.EndpointSlice] // by namespace and name of the Service
	places        []*place                                 // the listeners of all Gateways
}

type problem struct {
	*mesh.Problem
	line    int
	warning bool
}

// Err is nil if every document is right, and else all problems joined, each a
// [*mesh.Problem].
func (c *Config) Err() error {
	var errs []error
	for _, p := range c.problems {
		if !p.warning {
			errs = append(errs, p.Problem)
		}
	}
	return errors.Join(errs...)
}

// Warnings yields what is no error: kinds and fields that are not carried out,
// routes that nobody accepts, references that lead nowhere.
func (c *Config) Warnings() iter.Seq[*mesh.Problem] {
	return func(yield func(*mesh.Problem) bool) {
		for _, p := range c.problems {
			if p.warning && !yield(p.Problem) {
				return
			}
		}
		for _, s := range c.Conditions() {
			if !s.Status && !yield(&mesh.Problem{Source: s.source, Reason: s.words()}) {
				return
			}
		}
	}
}

// ready orders what was read, and makes it ready to be found.
func (c *Config) ready() {
	byAge(c.httpRoutes)
	byAge(c.grpcRoutes)
	byAge(c.gateways)
	byAge(c.listenerSets)
	byAge(c.referenceGrants)
	byAge(c.services)
	byAge(c.endpointSlices)
	byAge(c.namespaces)
	c.serviceByID, c.namespaceByID, c.gatewayByID = byID(c.services), byID(c.namespaces), byID(c.gateways)
	c.slicesOf = map[string][]*object[kube.EndpointSlice]{}
	for _, s := range c.endpointSlices {
		id := s.namespace + "/" + s.spec.Service
		c.slicesOf[id] = append(c.slicesOf[id], s)
	}
	for _, g := range c.gateways {
		c.places = append(c.places, c.placesOf(g)...)
	}
}

func byAge[T any](list []*object[T]) {
	slices.SortStableFunc(list, func(a, b *object[T]) int { return a.compareAge(b.resource) })
}

func byID[T any](list []*object[T]) map[string]*object[T] {
	all := make(map[string]*object[T], len(list))
	for _, o := range list {
		all[o.id()] = o
	}
	return all
}
