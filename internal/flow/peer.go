package flow

import "github.com/sidecarless/mesh"

// SetPeer notes which workload is on the other side: who answered a request, or
// who sent the one being served. Attempts at the same time may both call it, and the
// last one counts.
func (f *Flow) SetPeer(w *mesh.Workload) { f.peer.Store(w) }

// Peer is the workload on the other side, or nil.
func (f *Flow) Peer() *mesh.Workload { return f.peer.Load() }
