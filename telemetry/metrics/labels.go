package metrics

import (
	"cmp"
	"strings"

	"github.com/sidecarless/mesh"
)

// labelNames are Istio's, in its order: first those of every metric, then those of
// requests.
var labelNames = [...]string{
	"reporter", "source_workload", "source_canonical_service", "source_canonical_revision", "source_workload_namespace",
	"source_principal", "source_app", "source_version", "source_cluster", "destination_workload",
	"destination_workload_namespace", "destination_principal", "destination_app", "destination_version",
	"destination_service", "destination_canonical_service", "destination_canonical_revision", "destination_service_name",
	"destination_service_namespace", "destination_cluster",
	"request_protocol", "response_code", "grpc_response_status", "response_flags", "connection_security_policy",
}

// baseLabels is how many of them every metric has.
const baseLabels = 20

// labels are the values of labelNames.
type labels [len(labelNames)]string

// What Istio says for what is not known, and for the revision of who is not known.
const (
	unknown = "unknown"
	latest  = "latest"
)

// A party is one side of a request.
type party struct {
	mesh.Workload
	principal string
}

// peerOf is the other side: what is not known of it is said so.
func peerOf(w *mesh.Workload, principal string) party {
	var p party
	if w != nil {
		p.Workload = *w
	}
	p.principal = cmp.Or(principal, unknown)
	for _, s := range []*string{&p.Name, &p.App, &p.Version, &p.CanonicalService, &p.Cluster} {
		*s = cmp.Or(*s, unknown)
	}
	p.CanonicalRevision = cmp.Or(p.CanonicalRevision, latest)
	// What the certificate says is proven.
	p.Namespace = cmp.Or(namespaceOf(principal), p.Namespace, unknown)
	return p
}

// namespaceOf is the namespace in a SPIFFE ID of the mesh, or empty.
func namespaceOf(principal string) string {
	_, rest, _ := strings.Cut(principal, "/ns/")
	namespace, _, _ := strings.Cut(rest, "/")
	return namespace
}

// A service is what a request was for.
type service struct{ host, name, namespace string }

// serviceOf is the service with a host of the mesh, which belongs to a namespace. A
// host of Kubernetes has both names in it, wherever it was declared, so that both
// sides of a request say the same. Any other is its own name, as Istio names
// ServiceEntries.
func serviceOf(host, namespace string) service {
	name, rest, _ := strings.Cut(host, ".")
	if in, rest, _ := strings.Cut(rest, "."); strings.HasPrefix(rest, "svc.") || rest == "svc" {
		return service{host, name, in}
	}
	return service{host, host, namespace}
}

// end is how a request ended.
type end struct{ protocol, code, grpc, flags, policy string }

func labelsOf(reporter string, from, to party, s service, e end) labels {
	return labels{
		reporter, from.Name, from.CanonicalService, from.CanonicalRevision, from.Namespace,
		from.principal, from.App, from.Version, from.Cluster, to.Name,
		to.Namespace, to.principal, to.App, to.Version,
		cmp.Or(s.host, unknown), to.CanonicalService, to.CanonicalRevision, cmp.Or(s.name, unknown),
		cmp.Or(s.namespace, unknown), to.Cluster,
		e.protocol, e.code, e.grpc, e.flags, e.policy,
	}
}
