package smi

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// A splitObject is a TrafficSplit of which the groups are still to be found.
type splitObject struct {
	*object
	split  TrafficSplit
	groups []reference
}

// A reference names a group.
type reference struct {
	path *manifest.Path
	name string
}

// trafficSplit reads a TrafficSplit.
func (o *object) trafficSplit(all *manifest.Mapping) {
	s := &splitObject{object: o}
	o.splits = append(o.splits, s)
	s.split = TrafficSplit{Namespace: o.meta.Namespace, Name: o.meta.Name, File: o.file, Line: o.base + o.node.Line}
	p := manifest.Top("spec")
	spec := o.mapping(nil, all, "spec")
	s.split.Service = o.serviceName(CodeService, p.Field("service"), o.Text(p, spec, "service"))
	o.unknown(nil, all, "apiVersion", "kind", "metadata", "spec", "status")
	o.unknown(p, spec, "service", "backends", "matches")
	matches := spec.Get("matches")
	if matches != nil && (o.version == "v1alpha1" || o.version == "v1alpha2") {
		o.add(CodeMatchesVersion, p.Field("matches"), nil, "does not exist before v1alpha3, and without it the split would be for all requests")
		matches = nil
	}
	s.backends(p, spec)
	if s.split.Total() == 0 && !o.bad && o.Strict {
		o.add(CodeZeroTotal, p.Field("backends"), nil, "no backend has a weight")
	}
	if matches != nil {
		s.references(p, spec)
	}
}

func (s *splitObject) backends(p *manifest.Path, spec *manifest.Mapping) {
	list := s.list(p, spec, "backends")
	p = p.Field("backends")
	if len(list) == 0 {
		s.add(CodeBackends, p, nil, "needs at least one entry")
	}
	for i, n := range list {
		at := p.At(i)
		if !s.Enter(at, n) {
			return
		}
		s.backend(at, s.asMapping(at, n))
		s.Leave()
	}
}

// backend reads one leaf.
func (s *splitObject) backend(p *manifest.Path, m *manifest.Mapping) {
	s.unknown(p, m, "service", "weight")
	name := s.serviceName(CodeBackendService, p.Field("service"), s.Text(p, m, "service"))
	milli, ok := s.weight(p.Field("weight"), m.Get("weight"))
	if name == "" || !ok {
		return
	}
	if name == s.split.Service && s.Strict {
		s.add(CodeSelfReference, p.Field("service"), name, "is the service that is split")
	}
	if i := slices.IndexFunc(s.split.Backends, func(b Backend) bool { return b.Service == name }); i >= 0 {
		if s.Strict {
			s.add(CodeDuplicateLeaf, p.Field("service"), name, "is given twice")
		}
		s.split.Backends[i].Milli += milli
		return
	}
	s.split.Backends = append(s.split.Backends, Backend{name, milli})
}

// weight reads a weight by its text as it is written: 0.9 is nine tenths and never
// the number that is nearest to that.
func (o *object) weight(p *manifest.Path, e *manifest.Entry) (milli int64, ok bool) {
	if e == nil || manifest.IsNull(e.Value) {
		o.add(CodeWeightMissing, p, nil, "is missing")
		return 0, false
	}
	n := manifest.Resolve(e.Value)
	if n.Kind != yaml.ScalarNode {
		o.add(CodeWeightType, p, nil, "must be a quantity such as 900m or 90, not %s", manifest.KindOf(n))
		return 0, false
	}
	s := manifest.ScalarOf(n)
	if !o.isWeight(s) {
		o.add(CodeWeightType, p, s.Text, "must be %s, not %s", o.wantedWeight(), s.Kind)
		return 0, false
	}
	milli, err := o.ParseQuantity(s.Text)
	var problem *Error
	if errors.As(err, &problem) {
		o.add("weight:"+problem.Code, p, problem.Value, "%s", problem.Reason)
		return 0, false
	}
	return milli, true
}

// isWeight tells whether a weight may be of that type.
func (o *object) isWeight(s manifest.Scalar) bool {
	switch s.Kind {
	case manifest.Integer:
		return true
	case manifest.Text:
		return !o.Strict || o.version == "v1alpha1"
	case manifest.Float:
		return !o.Strict && !math.IsNaN(s.Number) && !math.IsInf(s.Number, 0)
	}
	return false
}

func (o *object) wantedWeight() string {
	if o.Strict && o.version != "v1alpha1" {
		return "a whole number in " + o.version
	}
	return "a quantity such as 900m or 90"
}

// references reads which groups a split names.
func (s *splitObject) references(p *manifest.Path, spec *manifest.Mapping) {
	for i, n := range s.list(p, spec, "matches") {
		at := p.Field("matches").At(i)
		if !s.Enter(at, n) {
			return
		}
		m := s.asMapping(at, n)
		s.unknown(at, m, "kind", "name", "apiGroup")
		kind, name := s.Text(at, m, "kind"), s.Text(at, m, "name")
		if kind != "HTTPRouteGroup" {
			s.add(CodeMatchKind, at.Field("kind"), kind, "must be HTTPRouteGroup")
		} else {
			s.groups = append(s.groups, reference{at, name})
		}
		s.Leave()
	}
}

// resolve finds the groups that splits name, and splits of one service.
func (l *loader) resolve() {
	groups := map[string]*RouteGroup{}
	for i := range l.Groups {
		groups[l.Groups[i].Namespace+"/"+l.Groups[i].Name] = &l.Groups[i]
	}
	roots := map[string]*TrafficSplit{}
	for _, s := range l.splits {
		for _, ref := range s.groups {
			if group := groups[s.split.Namespace+"/"+ref.name]; group != nil {
				s.split.Matches = append(s.split.Matches, group.Matches...)
			} else if !l.keys["HTTPRouteGroup "+s.split.Namespace+"/"+ref.name] {
				s.add(CodeMatchUnresolved, ref.path.Field("name"), ref.name, "there is no such HTTPRouteGroup in the namespace %s", s.split.Namespace)
			} else {
				s.bad = true // the group is there and has problems of its own
			}
		}
		root := s.split.Namespace + "/" + s.split.Service
		if other := roots[root]; other != nil && s.split.Service != "" {
			s.add(CodeApexConflict, manifest.Top("spec").Field("service"), s.split.Service, "is split by %s in %s:%d, too", other.Name, other.File, other.Line)
		}
		roots[root] = cmp.Or(roots[root], &s.split)
		if !s.bad {
			l.Splits = append(l.Splits, s.split)
		}
	}
}
