package plan

import (
	"net/netip"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
)

// fqdn resolves a host of a resource in namespace: a name without a dot is a
// service beside the resource (Istio's ResolveShortnameToFQDN).
func (v *view) fqdn(host, namespace string) string {
	if host == "" || host == "*" || strings.Contains(host, ".") || isAddress(host) {
		return host
	}
	return host + "." + namespace + ".svc." + v.domain
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// fullNames is a VirtualService with every host and gateway by its full name, so
// that a delegate's rules can stand among others'.
func (v *view) fullNames(vs Object[*networking.VirtualService]) Object[*networking.VirtualService] {
	vs.Spec = proto.Clone(vs.Spec).(*networking.VirtualService)
	for i, h := range vs.Spec.Hosts {
		vs.Spec.Hosts[i] = strings.ToLower(v.fqdn(h, vs.Namespace))
	}
	qualify(vs.Spec.Gateways, vs.Namespace)
	for _, r := range vs.Spec.Http {
		for _, m := range r.Match {
			qualify(m.Gateways, vs.Namespace)
		}
		destinations := []*networking.Destination{r.Mirror}
		for _, d := range r.Route {
			destinations = append(destinations, d.Destination)
		}
		for _, m := range r.Mirrors {
			destinations = append(destinations, m.Destination)
		}
		for _, d := range destinations {
			if d != nil {
				d.Host = v.fqdn(d.Host, vs.Namespace)
			}
		}
	}
	return vs
}

// fullName is a DestinationRule with its host by its full name.
func (v *view) fullName(dr Object[*networking.DestinationRule]) Object[*networking.DestinationRule] {
	dr.Spec = proto.Clone(dr.Spec).(*networking.DestinationRule)
	dr.Spec.Host = v.fqdn(dr.Spec.Host, dr.Namespace)
	return dr
}

// meshGateway is the reserved name of all workloads of the mesh that are no
// gateways.
const meshGateway = "mesh"

// qualify makes namespace/name of references to gateways made in namespace. A
// reference in the old form name.namespace.svc.domain is understood.
func qualify(gateways []string, namespace string) {
	for i, g := range gateways {
		switch owner, name, found := strings.Cut(g, "/"); {
		case g == meshGateway, found && owner != ".":
		case found:
			gateways[i] = namespace + "/" + name
		default:
			name, rest, old := strings.Cut(g, ".")
			if old {
				namespace, _, _ := strings.Cut(rest, ".")
				gateways[i] = namespace + "/" + name
			} else {
				gateways[i] = namespace + "/" + name
			}
		}
	}
}

// domains are the names under which a service of the registry is asked for: its
// host, and others. Those are the host with a dot at the end and the shorter
// forms that a resolver of the cluster would complete.
func (v *view) domains(host string) (others []string) {
	if !isAddress(host) {
		others = append(others, host+".")
	}
	short, ok := strings.CutSuffix(host, ".svc."+v.domain)
	if !ok || !strings.Contains(short, ".") {
		return others
	}
	if name, namespace, _ := strings.Cut(short, "."); namespace == v.client.Namespace {
		others = append(others, name)
	}
	return append(others, short, short+".svc")
}

// covers reports whether a host pattern takes in every name that host stands
// for: itself, or what a leading "*" leaves open.
func covers(pattern, host string) bool {
	if pattern == host {
		return true
	}
	suffix, wild := strings.CutPrefix(pattern, "*")
	return wild && strings.HasSuffix(strings.TrimPrefix(host, "*"), suffix)
}

func isWild(host string) bool { return strings.HasPrefix(host, "*") }

// moreSpecific reports whether host pattern a is to be tried before b: names
// before wildcards, longer ones first, then by the alphabet.
func moreSpecific(a, b string) bool {
	wildA, wildB := isWild(a), isWild(b)
	switch {
	case wildA != wildB:
		return wildB
	case len(a) != len(b):
		return len(a) > len(b)
	}
	return a < b
}

// mostSpecific is the value under the most specific host pattern that covers
// host.
func mostSpecific[T any](byHost map[string]T, host string) (found T, ok bool) {
	best := ""
	for pattern, value := range byHost {
		if covers(pattern, host) && (!ok || moreSpecific(pattern, best)) {
			best, found, ok = pattern, value, true
		}
	}
	return found, ok
}
