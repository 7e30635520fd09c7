package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sidecarless/mesh"
	networking "istio.io/api/networking/v1alpha3"
)

// A Server is what a gateway serves on a port: all servers of that port in plain
// text, or one with TLS.
type Server struct {
	Port   uint32
	Bind   string                        // the address it is served on; empty for any
	TLS    *networking.ServerTLSSettings // nil for plain text
	Names  []string                      // by which clients ask for it, of one with TLS
	Hosts  []VirtualHost
	Source string
}

// A gatewayPlan collects the servers of gateways (Istio's MergeGateways and
// buildGatewayHTTPRouteConfig).
type gatewayPlan struct {
	*view
	servers []*gatewayServer
}

type gatewayServer struct {
	Server
	byHost map[string]int // place among Hosts
}

// NewGateway plans for a gateway: the workload that the selectors of Gateways
// select. A name, namespace/name, picks one of them, for which a workload
// without labels need not be selected.
func NewGateway(w *World, c Client, name string) (*Plan, error) {
	v := newView(w, c)
	g := gatewayPlan{view: v}
	any := false
	for _, gateway := range w.Gateways {
		full := gateway.Namespace + "/" + gateway.Name
		named := name == full && len(c.Labels) == 0
		if name != "" && name != full || !named && !contains(c.Labels, gateway.Spec.Selector) {
			continue
		}
		any = true
		v.client.Gateways = []string{full}
		visible := v.visibleVirtualServices()
		for i, s := range gateway.Spec.Servers {
			g.add(&gateway, i, s, visible)
		}
	}
	if !any {
		what := cmp.Or(name, "any")
		return nil, &mesh.Problem{Field: "gateway", Value: what, Reason: fmt.Sprintf("no such Gateway selects a workload with the labels %v", c.Labels)}
	}
	p := &Plan{Clusters: map[Cluster]*Target{}}
	for _, s := range g.servers {
		for i := range s.Hosts {
			catchAllsLast(s.Hosts[i].Rules)
		}
		v.addTargets(p, s.Hosts)
		p.Servers = append(p.Servers, s.Server)
	}
	return p, v.err()
}

// add adds a server of a Gateway. What is at odds with an older server of the
// port is left out, as Istio does: TLS where there is none, and the other way
// round, and TLS for a name that is taken.
func (g *gatewayPlan) add(gateway *Object[*networking.Gateway], i int, s *networking.Server, visible []Object[*networking.VirtualService]) {
	source := gateway.at("servers", i)
	hosts := serverHosts(s.Hosts, gateway.Namespace)
	secure, err := terminates(s)
	if err != nil {
		err.Source = source
		g.errs = append(g.errs, err)
		return
	}
	var to *gatewayServer
	for _, other := range g.servers {
		if other.Port != s.Port.Number {
			continue
		}
		if (other.TLS != nil) != secure {
			return
		}
		if !secure {
			to = other
		}
		for _, h := range hosts {
			if secure && slices.Contains(other.Names, h.name) {
				return
			}
		}
	}
	bind := s.Bind
	if a, err := netip.ParseAddr(bind); err == nil && a.IsUnspecified() {
		bind = ""
	}
	if to != nil && to.Bind != bind {
		g.errs = append(g.errs, &mesh.Problem{
			Source: source, Field: "bind", Value: s.Bind,
			Reason: fmt.Sprintf("is another address than %q, that of %s for the same port: requests to the two are not told apart", to.Bind, to.Source),
		})
		return
	}
	if to == nil {
		to = &gatewayServer{Server: Server{Port: s.Port.Number, Bind: bind, Source: source}, byHost: map[string]int{}}
		g.servers = append(g.servers, to)
	}
	if secure {
		to.TLS = s.Tls
		for _, h := range hosts {
			to.Names = append(to.Names, h.name)
		}
	}
	for _, vs := range visible {
		g.bind(to, hosts, vs, s.Tls.GetHttpsRedirect())
	}
	if s.Tls.GetHttpsRedirect() {
		for _, h := range hosts {
			// Also those of no VirtualService, but where a namespace is named: Istio looks
			// for those by the name with its namespace, which no caller asks for.
			if h.namespace == "*" {
				to.host(h.name, source).HTTPS = true
			}
		}
	}
}

// terminates reports whether a server ends TLS, and what keeps it from being
// served.
func terminates(s *networking.Server) (secure bool, problem *mesh.Problem) {
	protocol := strings.ToUpper(s.Port.GetProtocol())
	switch protocol {
	case "HTTP", "HTTP2", "GRPC", "GRPC-WEB":
		return false, nil
	case "HTTPS":
	default:
		return false, &mesh.Problem{Field: "port.protocol", Value: protocol, Reason: "is not carried out: HTTP and HTTPS are"}
	}
	switch s.Tls.GetMode() {
	case networking.ServerTLSSettings_PASSTHROUGH, networking.ServerTLSSettings_AUTO_PASSTHROUGH:
		return false, &mesh.Problem{
			Field: "tls.mode", Value: s.Tls.GetMode().String(),
			Reason: "is not carried out: a handler of HTTP cannot pass on TLS that it does not end; use SIMPLE or MUTUAL",
		}
	}
	return true, nil
}

// A serverHost is a host of a server and the namespace whose VirtualServices may
// have it; "*" is any.
type serverHost struct{ namespace, name string }

func serverHosts(hosts []string, own string) []serverHost {
	all := make([]serverHost, len(hosts))
	for i, h := range hosts {
		namespace, name, found := strings.Cut(h, "/")
		switch {
		case !found:
			namespace, name = "*", h
		case namespace == ".":
			namespace = own
		}
		all[i] = serverHost{namespace, strings.ToLower(name)}
	}
	return all
}

// bind adds the rules of a VirtualService for the hosts that it shares with a
// server: the narrower of two that overlap.
func (g *gatewayPlan) bind(to *gatewayServer, hosts []serverHost, vs Object[*networking.VirtualService], redirect bool) {
	rules := g.compile(vs, to.Port)
	if len(rules) == 0 {
		return
	}
	for i := range rules {
		rules[i].TLS = to.TLS != nil
	}
	added := map[string]bool{}
	for _, h := range hosts {
		if h.namespace != "*" && h.namespace != vs.Namespace {
			continue
		}
		for _, name := range vs.Spec.Hosts {
			shared := name
			switch {
			case covers(h.name, name):
			case covers(name, h.name):
				shared = h.name
			default:
				continue
			}
			if !added[shared] {
				added[shared] = true
				vh := to.host(shared, vs.Source)
				vh.Rules = append(vh.Rules, rules...)
				vh.HTTPS = vh.HTTPS || redirect
			}
		}
	}
}

// host is the virtual host of a name, made when there is none.
func (s *gatewayServer) host(name, source string) *VirtualHost {
	i, known := s.byHost[name]
	if !known {
		i = len(s.Hosts)
		s.byHost[name] = i
		s.Hosts = append(s.Hosts, VirtualHost{Domains: []string{name}, Source: source})
	}
	return &s.Hosts[i]
}

// catchAllsLast moves the rules that take everything behind the others, so that
// those of several VirtualServices of a host are all reached (Istio's
// SortVHostRoutes).
func catchAllsLast(rules []Rule) {
	slices.SortStableFunc(rules, func(a, b Rule) int { return rank(a) - rank(b) })
}

func rank(r Rule) int {
	if r.Match == nil || takesAll(r.Match) {
		return 1
	}
	return 0
}
