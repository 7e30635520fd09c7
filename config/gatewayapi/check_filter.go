package gatewayapi

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// Types of filters.
const (
	filterRequestHeaders  = "RequestHeaderModifier"
	filterResponseHeaders = "ResponseHeaderModifier"
	filterMirror          = "RequestMirror"
	filterRedirect        = "RequestRedirect"
	filterRewrite         = "URLRewrite"
	filterCORS            = "CORS"
	filterExtension       = "ExtensionRef"
	filterAuth            = "ExternalAuth"
)

// Types of path modifiers.
const (
	replaceFull   = "ReplaceFullPath"
	replacePrefix = "ReplacePrefixMatch"
)

func hasFilter(list []filter, kind string) bool {
	return slices.ContainsFunc(list, func(f filter) bool { return f.Type == kind })
}

// onePrefix tells whether the matches of a rule are one prefix of paths, which a
// rewrite can replace.
func onePrefix(matches []httpMatch) bool {
	switch len(matches) {
	case 0:
		return true
	case 1:
		return matches[0].Path == nil || or(matches[0].Path.Type, typePrefix) == typePrefix
	}
	return false
}

func hasKey(content []*yaml.Node, key string) bool {
	for i := 0; i+1 < len(content); i += 2 {
		if content[i].Value == key {
			return true
		}
	}
	return false
}

// A filterCheck checks the filters and backends of a rule.
type filterCheck struct {
	*reader
	http   bool // of an HTTPRoute
	prefix bool // the rule matches one prefix
}

func (d filterCheck) backends(p *manifest.Path, refs []backendRef) {
	d.size(p, len(refs), maxItems)
	for i := range refs {
		at, ref := p.At(i), &refs[i]
		d.backend(at, ref.object())
		if w := or(ref.Weight, 1); w < 0 || w > maxWeight {
			d.refuse(at.Field("weight"), w, "must be 0 to %d", maxWeight)
		}
		d.filters(at.Field("filters"), ref.Filters)
	}
}

func (d *reader) backend(p *manifest.Path, ref objectRef) {
	d.required(p.Field("name"), ref.Name)
	d.portNumber(p.Field("port"), ref.Port)
	if or(ref.Kind, "Service") == "Service" && or(ref.Group, "") == "" && ref.Port == nil {
		d.refuse(p.Field("port"), nil, "is missing: a Service needs one")
	}
}

// filters checks a list of filters: each kind but mirrors once.
func (d filterCheck) filters(p *manifest.Path, list []filter) {
	d.size(p, len(list), maxItems)
	seen := map[string]bool{}
	for i := range list {
		f, at := &list[i], p.At(i)
		if seen[f.Type] && f.Type != filterMirror && f.Type != filterExtension {
			d.refuse(at.Field("type"), f.Type, "is given twice")
		}
		seen[f.Type] = true
		d.filter(at, f)
	}
	if seen[filterRedirect] && seen[filterRewrite] {
		d.refuse(p, nil, "cannot have both RequestRedirect and URLRewrite")
	}
}

// filter checks one filter. The field of its type is set, and no other.
func (d filterCheck) filter(p *manifest.Path, f *filter) {
	fields := []struct {
		kind, field string
		set         bool
		check       func(*manifest.Path)
	}{
		{filterRequestHeaders, "requestHeaderModifier", f.RequestHeaderModifier != nil, func(p *manifest.Path) { d.headers(p, f.RequestHeaderModifier, true) }},
		{filterResponseHeaders, "responseHeaderModifier", f.ResponseHeaderModifier != nil, func(p *manifest.Path) { d.headers(p, f.ResponseHeaderModifier, false) }},
		{filterMirror, "requestMirror", f.RequestMirror != nil, func(p *manifest.Path) { d.mirror(p, f.RequestMirror) }},
		{filterExtension, "extensionRef", f.ExtensionRef != nil, func(p *manifest.Path) { d.notCarriedOut(p) }},
		{filterRedirect, "requestRedirect", f.RequestRedirect != nil, func(p *manifest.Path) { d.redirect(p, f.RequestRedirect) }},
		{filterRewrite, "urlRewrite", f.URLRewrite != nil, func(p *manifest.Path) { d.rewrite(p, f.URLRewrite) }},
		{filterCORS, "cors", f.CORS != nil, func(p *manifest.Path) { d.cors(p, f.CORS) }},
		{filterAuth, "externalAuth", f.ExternalAuth != nil, func(p *manifest.Path) { d.notCarriedOut(p) }},
	}
	if !d.http {
		fields = fields[:4]
	}
	var names []string
	known := false
	for _, x := range fields {
		names = append(names, x.kind)
		known = known || x.kind == f.Type
		switch {
		case x.kind == f.Type && !x.set:
			d.refuse(p.Field(x.field), nil, "is missing: the type of the filter is %s", f.Type)
		case x.kind == f.Type:
			x.check(p.Field(x.field))
		case x.set:
			d.refuse(p.Field(x.field), nil, "cannot stand here: the type of the filter is %s", f.Type)
		}
	}
	if !known {
		d.oneOf(p.Field("type"), f.Type, names...)
	}
}

func (d filterCheck) notCarriedOut(p *manifest.Path) {
	d.warn(p, nil, "is not carried out: requests that it applies to are answered with 500, since a filter must not be left out")
}

func (d filterCheck) headers(p *manifest.Path, m *headerModifier, request bool) {
	hosts := 0
	for _, group := range []struct {
		field string
		list  []headerValue
	}{{"set", m.Set}, {"add", m.Add}} {
		at := p.Field(group.field)
		d.size(at, len(group.list), maxItems)
		for i, h := range group.list {
			d.token(at.At(i).Field("name"), h.Name)
			value := at.At(i).Field("value")
			switch {
			case h.Value == "" || len(h.Value) > maxValue:
				d.refuse(value, nil, "must have 1 to %d bytes", maxValue)
			case strings.ContainsFunc(h.Value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }):
				d.refuse(value, h.Value, "must not hold control characters")
			case !isHost(h.Name):
			case !request, hosts > 0, strings.ContainsAny(h.Value, " \t/"):
				d.refuse(value, h.Value, "the host can only be set to a host, in requests and once")
			default:
				hosts++
			}
		}
	}
	d.size(p.Field("remove"), len(m.Remove), maxItems)
	for i, name := range m.Remove {
		d.token(p.Field("remove").At(i), name)
		if isHost(name) {
			d.refuse(p.Field("remove").At(i), name, "cannot be removed")
		}
	}
}

func isHost(name string) bool { return strings.EqualFold(name, "Host") }

func (d filterCheck) mirror(p *manifest.Path, m *requestMirror) {
	d.backend(p.Field("backendRef"), m.BackendRef)
	if m.Percent != nil {
		if m.Fraction != nil {
			d.refuse(p.Field("fraction"), nil, "cannot stand beside percent")
		}
		if *m.Percent < 0 || *m.Percent > 100 {
			d.refuse(p.Field("percent"), *m.Percent, "must be 0 to 100")
		}
	}
	if f := m.Fraction; f != nil {
		if n := or(f.Denominator, 100); n < 1 || f.Numerator < 0 || f.Numerator > n {
			d.refuse(p.Field("fraction"), nil, "must be a share from none to all: 0 <= numerator <= denominator")
		}
	}
}

func (d filterCheck) redirect(p *manifest.Path, r *requestRedirect) {
	if r.Scheme != nil {
		d.oneOf(p.Field("scheme"), *r.Scheme, "http", "https")
	}
	if r.Hostname != nil {
		d.hostname(p.Field("hostname"), *r.Hostname, false)
	}
	d.portNumber(p.Field("port"), r.Port)
	d.pathModifier(p.Field("path"), r.Path)
	switch code := or(r.StatusCode, 302); code {
	case 301, 302, 303, 307, 308:
	default:
		d.refuse(p.Field("statusCode"), code, "must be 301, 302, 303, 307 or 308")
	}
}

func (d filterCheck) rewrite(p *manifest.Path, r *urlRewrite) {
	if r.Hostname != nil {
		d.hostname(p.Field("hostname"), *r.Hostname, false)
	}
	d.pathModifier(p.Field("path"), r.Path)
}

func (d filterCheck) pathModifier(p *manifest.Path, m *pathModifier) {
	if m == nil || !d.oneOf(p.Field("type"), m.Type, replaceFull, replacePrefix) {
		return
	}
	field, value, other := "replaceFullPath", m.ReplaceFullPath, m.ReplacePrefixMatch
	if m.Type == replacePrefix {
		field, value, other = "replacePrefixMatch", m.ReplacePrefixMatch, m.ReplaceFullPath
		if !d.prefix {
			d.refuse(p.Field("type"), m.Type, "needs exactly one match in the rule, of a PathPrefix")
		}
	}
	switch {
	case value == nil:
		d.refuse(p.Field(field), nil, "is missing: the type of the modifier is %s", m.Type)
	case other != nil:
		d.refuse(p, nil, "has a field that does not belong to the type %s", m.Type)
	case len(*value) > maxPath || *value != "" && !pathForm.MatchString(*value):
		d.refuse(p.Field(field), *value, "holds what a path cannot hold")
	}
}

var originForm = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.\-]*://(\*|(\*\.)?[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$`)

func (d filterCheck) cors(p *manifest.Path, c *corsFilter) {
	for i, o := range c.AllowOrigins {
		at := p.Field("allowOrigins").At(i)
		switch {
		case o == "*" && len(c.AllowOrigins) > 1:
			d.refuse(at, o, "cannot stand beside other origins")
		case o != "*" && !originForm.MatchString(o):
			d.refuse(at, o, "must be * or SCHEME://HOST[:PORT], where a host may begin with *")
		}
	}
	for i, m := range c.AllowMethods {
		at := p.Field("allowMethods").At(i)
		if m == "*" && len(c.AllowMethods) > 1 {
			d.refuse(at, m, "cannot stand beside other methods")
		} else if m != "*" {
			d.oneOf(at, m, methods...)
		}
	}
	for field, names := range map[string][]string{"allowHeaders": c.AllowHeaders, "exposeHeaders": c.ExposeHeaders} {
		for i, name := range names {
			at := p.Field(field).At(i)
			if name == "*" && len(names) > 1 {
				d.refuse(at, name, "cannot stand beside other headers")
			}
			d.token(at, name)
		}
	}
	if c.MaxAge != nil && *c.MaxAge < 1 {
		d.refuse(p.Field("maxAge"), *c.MaxAge, "must be at least 1 (seconds)")
	}
}
