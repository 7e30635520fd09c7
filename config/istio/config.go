package istio

import (
	"crypto/tls"
	"errors"
	"iter"
	"slices"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh"
)

// A Config is what was read from documents: the objects, oldest first, and
// everything there is to say about them. It does not change any more.
type Config struct {
	resources []*Resource
	findings  []*Finding
	mesh      *Resource
	digest    digest // of the documents
}

// An Object is a resource with the type of its spec.
type Object[T any] struct {
	*Resource
	Spec T
}

// Resources yields every object that was read and is right, oldest first. The
// age is that of metadata.creationTimestamp; objects without one are older
// than those with one, and older the earlier they stand in files and documents.
func (c *Config) Resources() iter.Seq[*Resource] {
	return func(yield func(*Resource) bool) {
		for _, r := range c.resources {
			if !r.refused && !yield(r) {
				return
			}
		}
	}
}

// All yields the objects of Resources and those that are refused, as far as
// they could be read. It is for analysis: a refused object still has a name,
// and others may speak of it.
func (c *Config) All() iter.Seq[*Resource] {
	return slices.Values(c.resources)
}

// objectsOf are the objects whose spec has the type T, oldest first.
func objectsOf[T any](c *Config) []Object[T] {
	var list []Object[T]
	for r := range c.Resources() {
		if spec, ok := r.Spec.(T); ok {
			list = append(list, Object[T]{Resource: r, Spec: spec})
		}
	}
	return list
}

// VirtualServices are the objects of that kind, oldest first.
func (c *Config) VirtualServices() []Object[*networking.VirtualService] {
	return objectsOf[*networking.VirtualService](c)
}

// DestinationRules are the objects of that kind, oldest first.
func (c *Config) DestinationRules() []Object[*networking.DestinationRule] {
	return objectsOf[*networking.DestinationRule](c)
}

// ServiceEntries are the objects of that kind, oldest first.
func (c *Config) ServiceEntries() []Object[*networking.ServiceEntry] {
	return objectsOf[*networking.ServiceEntry](c)
}

// WorkloadEntries are the objects of that kind, oldest first.
func (c *Config) WorkloadEntries() []Object[*networking.WorkloadEntry] {
	return objectsOf[*networking.WorkloadEntry](c)
}

// Gateways are the objects of that kind, oldest first.
func (c *Config) Gateways() []Object[*networking.Gateway] {
	return objectsOf[*networking.Gateway](c)
}

// Sidecars are the objects of that kind, oldest first. They are read for their
// outboundTrafficPolicy.
func (c *Config) Sidecars() []Object[*networking.Sidecar] {
	return objectsOf[*networking.Sidecar](c)
}

// PeerAuthentications are the objects of that kind, oldest first.
func (c *Config) PeerAuthentications() []Object[*security.PeerAuthentication] {
	return objectsOf[*security.PeerAuthentication](c)
}

// AuthorizationPolicies are the objects of that kind, oldest first.
func (c *Config) AuthorizationPolicies() []Object[*security.AuthorizationPolicy] {
	return objectsOf[*security.AuthorizationPolicy](c)
}

// RequestAuthentications are the objects of that kind, oldest first.
func (c *Config) RequestAuthentications() []Object[*security.RequestAuthentication] {
	return objectsOf[*security.RequestAuthentication](c)
}

// MeshConfig are the mesh-wide settings and the document they stand in. Without
// one the spec is empty and the resource nil: every default is in force.
func (c *Config) MeshConfig() Object[*meshconfig.MeshConfig] {
	if c.mesh == nil {
		return Object[*meshconfig.MeshConfig]{Spec: &meshconfig.MeshConfig{}}
	}
	return Object[*meshconfig.MeshConfig]{Resource: c.mesh, Spec: c.mesh.Spec.(*meshconfig.MeshConfig)}
}

// MinTLSVersion is the least version of TLS for connections to workloads, as package
// crypto/tls numbers them: MeshConfig's meshMTLS.minProtocolVersion. An identity has to
// be told it, see [mtls.Config].
func (c *Config) MinTLSVersion() uint16 {
	if c.MeshConfig().Spec.GetMeshMTLS().GetMinProtocolVersion() == meshconfig.MeshConfig_TLSConfig_TLSV1_3 {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// Findings yields all there is to say about the documents, errors included, in
// the order of files and lines.
func (c *Config) Findings() iter.Seq[*Finding] {
	return func(yield func(*Finding) bool) {
		for _, f := range c.findings {
			if !yield(f) {
				return
			}
		}
	}
}

// Warnings yields what is no error: what Istio warns of, kinds that were
// skipped, and settings that will not do what they seem to.
func (c *Config) Warnings() iter.Seq[*mesh.Problem] {
	return func(yield func(*mesh.Problem) bool) {
		for _, f := range c.findings {
			if f.Level != Error && !yield(f.Problem) {
				return
			}
		}
	}
}

// Err is nil if every document is right, and else all errors joined.
func (c *Config) Err() error {
	var errs []error
	for _, f := range c.findings {
		if f.Level == Error {
			errs = append(errs, f)
		}
	}
	return errors.Join(errs...)
}
