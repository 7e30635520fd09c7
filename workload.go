package mesh

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
