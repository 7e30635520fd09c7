package flow

// A Workload is a process of the mesh, as metrics name it. Parts that are not
// known are empty.
type Workload struct {
	Name      string // of the workload, such as a Deployment's
	Namespace string
	Instance  string // the pod

	App     string // the label app
	Version string // the label version

	// What the mesh calls it, whatever its labels.
	CanonicalService  string
	CanonicalRevision string

	Cluster   string // of Kubernetes
	Principal string // its SPIFFE ID
}

// SetPeer notes which workload is on the other side: who answered a request, or
// who sent the one being served. Attempts at the same time may both call it, and the
// last one counts.
func (f *Flow) SetPeer(w *Workload) { f.peer.Store(w) }

// Peer is the workload on the other side, or nil.
func (f *Flow) Peer() *Workload { return f.peer.Load() }
