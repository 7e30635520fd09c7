package gatewayapi

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/sidecarless/mesh"
)

// An Object is one that was read, with what it holds.
type Object[T any] struct {
	Kind            string
	Namespace, Name string // the namespace is "default" when the document names none
	Labels          map[string]string
	Created         time.Time // metadata.creationTimestamp; zero when absent

	File  string
	Line  int // of the object's first key
	Order int // position over all files and documents

	Spec T
}

// Key is "Kind namespace/name".
func (o *Object[T]) Key() string { return o.Kind + " " + o.id() }

func (o *Object[T]) id() string { return o.Namespace + "/" + o.Name }

// Source names the object in messages: "mesh.yaml:12: HTTPRoute shop/reviews".
func (o *Object[T]) Source() string { return fmt.Sprintf("%s:%d: %s", o.File, o.Line, o.Key()) }

// A Config is what was read from documents. Lists are ordered by age: first
// objects without a creation time, by their place in the files, then the others by
// time, namespace and name. It does not change any more.
type Config struct {
	HTTPRoutes      []*Object[*HTTPRouteSpec]
	GRPCRoutes      []*Object[*GRPCRouteSpec]
	Gateways        []*Object[*GatewaySpec]
	ListenerSets    []*Object[*ListenerSetSpec]
	ReferenceGrants []*Object[*ReferenceGrantSpec]
	Services        []*Object[*Service]
	EndpointSlices  []*Object[*EndpointSlice]
	Namespaces      []*Object[*Namespace]

	problems []problem

	services   map[string]*Object[*Service]
	namespaces map[string]*Object[*Namespace]
	gateways   map[string]*Object[*GatewaySpec]
	slices     map[string][]*Object[*EndpointSlice] // by namespace and name of the Service
	places     []*place                             // the listeners of all Gateways
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

// byAge puts objects in the order in which conflicts between them are decided.
func byAge[T any](list []*Object[T]) {
	slices.SortStableFunc(list, func(a, b *Object[T]) int {
		return older(a.Created, b.Created, a.Order, b.Order, a.id(), b.id())
	})
}

// older compares the ages of objects: without a creation time they are older the
// earlier they stand in the files.
func older(a, b time.Time, i, j int, x, y string) int {
	if c := a.Compare(b); c != 0 || a.IsZero() {
		return cmp.Or(c, cmp.Compare(i, j))
	}
	return cmp.Or(cmp.Compare(x, y), cmp.Compare(i, j))
}

// index makes everything ready to be found.
func (c *Config) index() {
	c.services, c.namespaces, c.gateways = byID(c.Services), byID(c.Namespaces), byID(c.Gateways)
	c.slices = map[string][]*Object[*EndpointSlice]{}
	for _, s := range c.EndpointSlices {
		id := s.Namespace + "/" + s.Spec.Service
		c.slices[id] = append(c.slices[id], s)
	}
	for _, g := range c.Gateways {
		c.places = append(c.places, c.placesOf(g)...)
	}
}

func byID[T any](list []*Object[T]) map[string]*Object[T] {
	all := make(map[string]*Object[T], len(list))
	for _, o := range list {
		all[o.id()] = o
	}
	return all
}
