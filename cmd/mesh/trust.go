package main

import (
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/mtls"
)

// trusting is an update before which the identity takes the trust domains of the
// mesh. Where the update is refused it takes those of before again.
func trusting(identity *mtls.Identity, update func(*istio.Config) error) func(*istio.Config) error {
	if identity == nil {
		return update
	}
	return func(c *istio.Config) error {
		before, m := identity.TrustDomains(), c.MeshConfig().Spec
		if err := identity.SetTrustDomains(m.GetTrustDomain(), m.GetTrustDomainAliases()...); err != nil {
			return err
		}
		err := update(c)
		if err != nil {
			identity.SetTrustDomains(before[0], before[1:]...) //nolint:errcheck // they were good
		}
		return err
	}
}
