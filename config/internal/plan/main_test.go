package plan_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	text "google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// worldOf reads documents. What is wrong with them fails the test.
func worldOf(t *testing.T, documents string) *plan.World {
	t.Helper()
	c, err := istio.Parse("test.yaml", strings.NewReader(documents))
	require.NoError(t, err)
	return &plan.World{
		VirtualServices:  objects(c.VirtualServices()),
		DestinationRules: objects(c.DestinationRules()),
		ServiceEntries:   objects(c.ServiceEntries()),
		WorkloadEntries:  objects(c.WorkloadEntries()),
		Gateways:         objects(c.Gateways()),
		Sidecars:         objects(c.Sidecars()),
		Mesh:             c.MeshConfig().Spec,
	}
}

func objects[T any](from []istio.Object[T]) []plan.Object[T] {
	var all []plan.Object[T]
	for _, o := range from {
		all = append(all, plan.Object[T]{
			Namespace: o.Namespace, Name: o.Name, Labels: o.Labels, Annotations: o.Annotations, Spec: o.Spec, Source: o.Name,
		})
	}
	return all
}

// planOf plans documents for a client.
func planOf(t *testing.T, documents string, c plan.Client) *plan.Plan {
	t.Helper()
	p, err := plan.New(worldOf(t, documents), c)
	require.NoError(t, err)
	return p
}

// serviceEntry is a document of a service; more is further fields of its spec. A
// service of the cluster lies in its namespace, another in default.
func serviceEntry(host, more string) string {
	namespace := "default"
	if short, ok := strings.CutSuffix(host, ".svc.cluster.local"); ok {
		_, namespace, _ = strings.Cut(short, ".")
	}
	name := strings.Trim(strings.ReplaceAll(host, ".", "-"), "*-")
	return document("ServiceEntry", namespace+"/"+name, "hosts: ['"+host+"']\nlocation: MESH_INTERNAL\n"+cmp.Or(more, static))
}

// static are the fields of a service on port 80 with an endpoint.
const static = `resolution: STATIC
ports: [{number: 80, name: http, protocol: HTTP}]
endpoints: [{address: 10.0.0.1}]`

func indented(s string) string { return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") }

// document is a document of one of Istio's networking kinds.
func document(kind, name, spec string) string {
	namespace := "default"
	if ns, n, ok := strings.Cut(name, "/"); ok {
		namespace, name = ns, n
	}
	return fmt.Sprintf("---\napiVersion: networking.istio.io/v1\nkind: %s\nmetadata: {name: %s, namespace: %s}\nspec:\n%s\n",
		kind, name, namespace, indented(spec))
}

func virtualService(name, spec string) string  { return document("VirtualService", name, spec) }
func destinationRule(name, spec string) string { return document("DestinationRule", name, spec) }

// a and b are services beside each other, far is one of another namespace.
var services = serviceEntry("a.default.svc.cluster.local", "") + serviceEntry("b.default.svc.cluster.local", "") +
	serviceEntry("far.other.svc.cluster.local", "")

// to is where a request goes by the first rule of the virtual host with a name: the
// service, or "-" where there is no virtual host.
func to(p *plan.Plan, port uint32, name string) string {
	hosts, ok := p.Ports[port]
	if !ok {
		hosts = p.Other
	}
	vh := find(hosts, name)
	if vh == nil {
		return "-"
	}
	return destinationsOf(vh.Rules[0])
}

// find is the virtual host for a name, by Envoy's rule: the name itself, or else
// the longest wildcard.
func find(hosts []plan.VirtualHost, name string) (best *plan.VirtualHost) {
	length := -1
	for i := range hosts {
		for _, d := range hosts[i].Domains {
			suffix, wild := strings.CutPrefix(d, "*")
			switch {
			case d == name:
				return &hosts[i]
			case wild && strings.HasSuffix(name, suffix) && len(name) > len(suffix) && len(suffix) > length:
				best, length = &hosts[i], len(suffix)
			}
		}
	}
	return best
}

// destinationsOf are a rule's clusters by their short names, with weights where
// there are several.
func destinationsOf(r plan.Rule) string {
	var all []string
	for _, d := range r.Destinations {
		s := strings.TrimSuffix(strings.TrimSuffix(d.Cluster.Host, ".svc.cluster.local"), ".default")
		if d.Cluster.Subset != "" {
			s += "/" + d.Cluster.Subset
		}
		if d.Cluster.Port != 80 {
			s += fmt.Sprintf(":%d", d.Cluster.Port)
		}
		if len(r.Destinations) > 1 {
			s += fmt.Sprintf("=%d", d.Weight)
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

// names are the domains of the virtual host that has a name, in order.
func names(hosts []plan.VirtualHost, name string) []string {
	vh := find(hosts, name)
	if vh == nil {
		return nil
	}
	return slices.Sorted(slices.Values(vh.Domains))
}

// prototext is a message as text, the same each time.
func prototext(m proto.Message) string {
	if m == nil || !m.ProtoReflect().IsValid() {
		return ""
	}
	s := text.MarshalOptions{}.Format(m)
	return strings.Join(strings.Fields(s), " ")
}
