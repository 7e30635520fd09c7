package plan

import (
	mesh "istio.io/api/mesh/v1alpha1"

	"github.com/sidecarless/mesh/match"
)

// PathOptions is the mesh-wide normalisation of paths.
func PathOptions(m *mesh.MeshConfig) match.PathOptions {
	switch m.GetPathNormalization().GetNormalization() {
	case mesh.MeshConfig_ProxyPathNormalization_NONE:
		return match.PathNone
	case mesh.MeshConfig_ProxyPathNormalization_MERGE_SLASHES:
		return match.PathMergeSlashes
	case mesh.MeshConfig_ProxyPathNormalization_DECODE_AND_MERGE_SLASHES:
		return match.PathDecodeAndMergeSlashes
	}
	return match.PathBase
}
