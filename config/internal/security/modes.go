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
	scopes := w.scopes(to, func(*plan.Object[*api.PeerAuthentication], string) {})
	m := &Modes{ports: map[uint16]mtls.Mode{}, source: map[mtls.Mode]string{}}
	by := ""
	for _, pa := range scopes {
		if pa == nil {
			continue
		}
		if mode, said := modeOf(pa.Spec.GetMtls().GetMode()); said {
			m.all, by = mode, pa.Source
		}
	}
	m.source[m.all] = by
	if ofWorkload := scopes[len(scopes)-1]; ofWorkload != nil {
		for port, t := range ofWorkload.Spec.PortLevelMtls {
			if mode, said := modeOf(t.GetMode()); said {
				m.ports[uint16(port)] = mode
				m.source[mode] = ofWorkload.Source
			}
		}
	}
	return m
}

// scopes are the PeerAuthentications that count for a workload: of the mesh, of the
// namespace and of the workload itself, each nil if there is none. pass is told of
// the others.
func (w *World) scopes(to Workload, pass func(pa *plan.Object[*api.PeerAuthentication], reason string)) (all [3]*plan.Object[*api.PeerAuthentication]) {
	for i := range w.PeerAuthentications {
		pa := &w.PeerAuthentications[i]
		if reason := w.unreached(pa.Namespace, pa.Spec.Selector, to); reason != "" {
			pass(pa, reason)
			continue
		}
		scope := &all[1]
		switch whole := len(pa.Spec.GetSelector().GetMatchLabels()) == 0; {
		case pa.Namespace == w.root() && whole:
			scope = &all[0]
		case pa.Namespace == w.root():
			pass(pa, "has a selector in the root namespace, where Istio passes over it")
			continue
		case !whole:
			scope = &all[2]
		}
		if *scope != nil {
			pass(pa, "is younger than another one of its scope, "+(*scope).Source)
			continue
		}
		*scope = pa
	}
	return all
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
