package gatewayapi

import (
	"github.com/sidecarless/mesh/config/internal/manifest"
)

// From which namespaces something may come.
const (
	fromAll      = "All"
	fromSame     = "Same"
	fromSelector = "Selector"
	fromNone     = "None"
)

func checkGateway(d *reader, g *gatewaySpec) {
	p := manifest.Top("spec")
	d.required(p.Field("gatewayClassName"), g.Class)
	d.listeners(p.Field("listeners"), g.Listeners)
	if len(g.Listeners) == 0 && g.AllowedListeners == nil {
		d.refuse(p.Field("listeners"), nil, "needs at least one entry")
	}
	if a := g.AllowedListeners; a != nil {
		d.from(p.Field("allowedListeners").Field("namespaces"), a.Namespaces)
	}
}

func checkListenerSet(d *reader, s *listenerSetSpec) {
	p := manifest.Top("spec")
	d.required(p.Field("parentRef").Field("name"), s.ParentRef.Name)
	d.listeners(p.Field("listeners"), s.Listeners)
	if len(s.Listeners) == 0 {
		d.refuse(p.Field("listeners"), nil, "needs at least one entry")
	}
}

// A listenerKey is what no two listeners may share.
type listenerKey struct {
	port               int32
	protocol, hostname string
}

func (d *reader) listeners(p *manifest.Path, list []listenerSpec) {
	d.size(p, len(list), maxListener)
	names, keys := map[string]bool{}, map[listenerKey]bool{}
	for i := range list {
		l, at := &list[i], p.At(i)
		d.required(at.Field("name"), l.Name)
		if names[l.Name] {
			d.refuse(at.Field("name"), l.Name, "is given twice")
		}
		names[l.Name] = true
		d.portNumber(at.Field("port"), &l.Port)
		d.required(at.Field("protocol"), l.Protocol)
		if l.Hostname != nil && *l.Hostname != "" {
			d.hostname(at.Field("hostname"), *l.Hostname, true)
		}
		key := listenerKey{l.Port, l.Protocol, or(l.Hostname, "")}
		if keys[key] {
			d.refuse(at, nil, "has the port, protocol and hostname of an earlier listener")
		}
		keys[key] = true
		if l.TLS != nil {
			d.oneOf(at.Field("tls").Field("mode"), or(l.TLS.Mode, "Terminate"), "Terminate", "Passthrough")
			if l.Protocol == protocolHTTP {
				d.refuse(at.Field("tls"), nil, "cannot be given for the protocol HTTP")
			} else if l.Protocol == protocolHTTPS && or(l.TLS.Mode, "Terminate") != "Terminate" {
				d.refuse(at.Field("tls").Field("mode"), *l.TLS.Mode, "must be Terminate for the protocol HTTPS")
			}
		}
		if a := l.AllowedRoutes; a != nil {
			d.from(at.Field("allowedRoutes").Field("namespaces"), a.Namespaces)
		}
	}
}

func (d *reader) from(p *manifest.Path, f *fromNamespaces) {
	if f == nil {
		return
	}
	if d.oneOf(p.Field("from"), or(f.From, fromSame), fromAll, fromSame, fromSelector, fromNone) && or(f.From, fromSame) == fromSelector && f.Selector == nil {
		d.refuse(p.Field("selector"), nil, "is missing")
	}
	if f.Selector == nil {
		return
	}
	for i, r := range f.Selector.MatchExpressions {
		at := p.Field("selector").Field("matchExpressions").At(i)
		d.required(at.Field("key"), r.Key)
		d.oneOf(at.Field("operator"), r.Operator, "In", "NotIn", "Exists", "DoesNotExist")
	}
}

func checkReferenceGrant(d *reader, g *referenceGrantSpec) {
	p := manifest.Top("spec")
	for field, n := range map[string]int{"from": len(g.From), "to": len(g.To)} {
		if n == 0 {
			d.refuse(p.Field(field), nil, "needs at least one entry")
		}
		d.size(p.Field(field), n, maxItems)
	}
	for i, f := range g.From {
		at := p.Field("from").At(i)
		d.required(at.Field("kind"), f.Kind)
		d.required(at.Field("namespace"), f.Namespace)
	}
	for i, t := range g.To {
		d.required(p.Field("to").At(i).Field("kind"), t.Kind)
	}
}
