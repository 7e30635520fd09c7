package main

import (
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/mtls"
)

// trusting is an update before which the identity takes the trust domains of the
// mesh and its least version of TLS. Where the update is refused it takes those of
// before again.
func trusting(identity *mtls.Identity, update func(*istio.Config) error) func(*istio.Config) error {
	if identity == nil {
		return update
	}
	return func(c *istio.Config) error {
		before, least, m := identity.TrustDomains(), identity.MinVersion(), c.MeshConfig().Spec
		if err := identity.SetTrustDomains(m.GetTrustDomain(), m.GetTrustDomainAliases()...); err != nil {
			return err
		}
		err := identity.SetMinVersion(c.MinTLSVersion())
		if err == nil {
			err = update(c)
		}
		if err != nil {
			identity.SetTrustDomains(before[0], before[1:]...) //nolint:errcheck // they were good
			identity.SetMinVersion(least)                      //nolint:errcheck // it was good
		}
		return err
	}
}
