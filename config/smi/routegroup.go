package smi

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// methods are those that a match may name.
var methods = []string{"*", "GET", "HEAD", "PUT", "POST", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

// routeGroup reads an HTTPRouteGroup. Its matches stand at the top of the object
// in the first two versions.
func (o *object) routeGroup(all *manifest.Mapping) {
	g := RouteGroup{Namespace: o.meta.Namespace, Name: o.meta.Name, File: o.file, Line: o.base + o.node.Line}
	var p *manifest.Path
	at := all
	if o.version == "v1alpha1" || o.version == "v1alpha2" {
		o.unknown(nil, all, "apiVersion", "kind", "metadata", "matches", "status")
	} else {
		o.unknown(nil, all, "apiVersion", "kind", "metadata", "spec", "status")
		at, p = o.mapping(nil, all, "spec"), manifest.Top("spec")
		o.unknown(p, at, "matches")
	}
	list := o.list(p, at, "matches")
	if len(list) == 0 {
		o.add(CodeMatchesMissing, p.Field("matches"), nil, "needs at least one entry")
	}
	for i, n := range list {
		at := p.Field("matches").At(i)
		if !o.Enter(at, n) {
			break
		}
		g.Matches = append(g.Matches, o.match(at, o.asMapping(at, n), g))
		o.Leave()
	}
	if !o.bad {
		o.Groups = append(o.Groups, g)
	}
}

// match reads one match of a group.
func (o *object) match(p *manifest.Path, m *manifest.Mapping, g RouteGroup) Match {
	fields := []string{"name", "pathRegex", "methods", "headers"}
	if o.version == "v1alpha1" && o.Strict {
		fields = fields[:3]
	}
	o.unknown(p, m, fields...)
	q := Match{Group: g.Name, Name: o.Text(p, m, "name"), PathRegex: o.Text(p, m, "pathRegex")}
	switch {
	case q.Name == "":
		o.add(CodeMatchName, p.Field("name"), nil, "is missing")
	case slices.ContainsFunc(g.Matches, func(other Match) bool { return other.Name == q.Name }):
		o.add(CodeDuplicateMatch, p.Field("name"), q.Name, "is given twice")
	}
	for i, n := range o.list(p, m, "methods") {
		method := manifest.Resolve(n).Value
		if !slices.Contains(methods, method) {
			o.add(CodeMethod, p.Field("methods").At(i), method, "must be one of %s", manifest.List(methods, "or"))
		}
		q.Methods = append(q.Methods, method)
	}
	q.Headers = o.headers(p, m)
	if field, err := q.compile(); err != nil {
		o.add(CodeRegex, p.Field(field), nil, "%v", err)
	}
	return q
}

// headers reads what headers must match: one mapping in the specification's text,
// a list of mappings in its schema.
func (o *object) headers(p *manifest.Path, m *manifest.Mapping) map[string]string {
	e := m.Get("headers")
	if e == nil {
		return nil
	}
	n := manifest.Resolve(e.Value)
	if n.Kind != yaml.SequenceNode {
		return o.Texts(p, m, "headers")
	}
	all := map[string]string{}
	for i, item := range n.Content {
		at := p.Field("headers").At(i)
		if !o.Enter(at, item) {
			break
		}
		for _, e := range o.asMapping(at, item).Entries {
			one := &manifest.Mapping{}
			one.Add(e)
			all[e.Key] = o.Text(at, one, e.Key)
		}
		o.Leave()
	}
	return all
}
