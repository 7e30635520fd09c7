package security

import (
	api "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/mtls"
)

type tlsMode = api.PeerAuthentication_MutualTLS_Mode

// Modes say which connections a workload takes.
type Modes struct {
	all    mtls.Mode
	ports  map[uint16]mtls.Mode
	source map[mtls.Mode]string // a resource that asks for a mode
}

// At is the mode of one of the workload's ports.
func (m *Modes) At(port uint16) mtls.Mode {
	if mode, ok := m.ports[port]; ok {
		return mode
	}
	return m.all
}

// Needs is the resource because of which the mode is in force on some port; ok is
// false if it is on none.
func (m *Modes) Needs(mode mtls.Mode) (source string, ok bool) {
	source, ok = m.source[mode]
	return source, ok
}

// ModesOf works out PeerAuthentication for a workload: permissive, unless the mesh,
// then the namespace, then the workload, then its port says otherwise. For each of
// these the oldest resource alone counts.
func (w *World) ModesOf(to Workload) *Modes {
	var ofMesh, ofNamespace, ofWorkload *plan.Object[*api.PeerAuthentication]
	for i := range w.PeerAuthentications {
		pa := &w.PeerAuthentications[i]
		if !w.reaches(pa.Namespace, pa.Spec.Selector, to) {
			continue
		}
		scope := &ofNamespace
		switch whole := len(pa.Spec.GetSelector().GetMatchLabels()) == 0; {
		case pa.Namespace == w.root() && whole:
			scope = &ofMesh
		case pa.Namespace == w.root():
			continue // Istio passes over selectors there
		case !whole:
			scope = &ofWorkload
		}
		if *scope == nil {
			*scope = pa
		}
	}
	m := &Modes{ports: map[uint16]mtls.Mode{}, source: map[mtls.Mode]string{}}
	by := ""
	for _, pa := range []*plan.Object[*api.PeerAuthentication]{ofMesh, ofNamespace, ofWorkload} {
		if pa == nil {
			continue
		}
		if mode, said := modeOf(pa.Spec.GetMtls().GetMode()); said {
			m.all, by = mode, pa.Source
		}
	}
	m.source[m.all] = by
	if ofWorkload == nil {
		return m
	}
	for port, t := range ofWorkload.Spec.PortLevelMtls {
		if mode, said := modeOf(t.GetMode()); said {
			m.ports[uint16(port)] = mode
			m.source[mode] = ofWorkload.Source
		}
	}
	return m
}

func modeOf(m tlsMode) (mode mtls.Mode, said bool) {
	switch m {
	case api.PeerAuthentication_MutualTLS_STRICT:
		return mtls.Strict, true
	case api.PeerAuthentication_MutualTLS_PERMISSIVE:
		return mtls.Permissive, true
	case api.PeerAuthentication_MutualTLS_DISABLE:
		return mtls.Disabled, true
	}
	return mtls.Permissive, false
}
