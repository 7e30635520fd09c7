package security

import (
	"github.com/sidecarless/mesh/match"
	selector "istio.io/api/type/v1beta1"
)

// Reaches reports whether a resource of a namespace that selects labels is for the
// workload, as policies are.
func (w *World) Reaches(namespace string, labels map[string]string, to Workload) bool {
	return w.reaches(namespace, &selector.WorkloadSelector{MatchLabels: labels}, to)
}

// Path is a path as policies write it: a text with a star at one end at most, or a
// template.
func Path(v string) match.Value { return path(v) }

// Text is a text as policies write it, with a star at one end at most.
func Text(v string) match.Value { return text(v) }
