package plan

import (
	mesh "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
)

// refuses reports whether hosts that no resource names are refused: as the client's
// Sidecar says, or else the mesh.
func (v *view) refuses() bool {
	if p := v.sidecar().GetOutboundTrafficPolicy(); p != nil {
		return p.Mode == networking.OutboundTrafficPolicy_REGISTRY_ONLY
	}
	p := v.Mesh.GetOutboundTrafficPolicy()
	return p != nil && p.Mode == mesh.MeshConfig_OutboundTrafficPolicy_REGISTRY_ONLY
}

// sidecar is the one for the client, nil for none: of its namespace the oldest that
// selects it, or else one that selects nobody, or else one of those in the root's.
func (v *view) sidecar() *networking.Sidecar {
	if len(v.client.Gateways) > 0 {
		return nil
	}
	var own, root *networking.Sidecar
	for _, s := range v.Sidecars {
		selector := s.Spec.GetWorkloadSelector().GetLabels()
		switch {
		case s.Namespace == v.client.Namespace && len(selector) > 0:
			if contains(v.client.Labels, selector) {
				return s.Spec
			}
		case len(selector) > 0:
		case s.Namespace == v.client.Namespace:
			if own == nil {
				own = s.Spec
			}
		case s.Namespace == v.root && root == nil:
			root = s.Spec
		}
	}
	if own != nil {
		return own
	}
	return root
}
