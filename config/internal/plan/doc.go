// Package plan works out what a mesh's resources mean to one workload: which
// services it sees, which rules apply to a host on a port, and to which
// endpoints under which policy they lead.
//
// It is data in and data out. It knows Istio's rules of names, namespaces,
// visibility, precedence and inheritance, and neither sockets nor the objects
// that carry a plan out.
package plan
