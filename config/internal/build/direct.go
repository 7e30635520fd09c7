package build

import (
	"net/http"

	"github.com/sidecarless/mesh/config/internal/plan"
)

// To sends requests straight to a cluster of the plan in force, past all rules.
func (m *Mesh) To(c plan.Cluster) http.RoundTripper { return direct{m, c} }

type direct struct {
	mesh    *Mesh
	cluster plan.Cluster
}

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	s := d.mesh.enter()
	defer s.users.leave()
	if c := s.clusters[d.cluster]; c != nil {
		return c.RoundTrip(r)
	}
	return missing{d.cluster.String()}.RoundTrip(r)
}
