package istio

// A Service is what is read of a Kubernetes Service.
type Service struct {
	Type         string
	ClusterIP    string // "None" for a headless one
	ExternalName string
	Selector     map[string]string
	Ports        []ServicePort
}

// A ServicePort is one port of a Service.
type ServicePort struct {
	Name        string
	Protocol    string // the transport, TCP unless said otherwise
	AppProtocol string
	Port        uint32
	TargetPort  string // a number or the name of a container port; empty for the same as Port
}

// An EndpointSlice is what is read of a Kubernetes EndpointSlice.
type EndpointSlice struct {
	Service   string // the name in its label kubernetes.io/service-name
	Ports     []EndpointPort
	Endpoints []SliceEndpoint
}

// An EndpointPort is a port that all endpoints of a slice listen on.
type EndpointPort struct {
	Name        string // of the Service's port
	AppProtocol string
	Port        uint32
}

// A SliceEndpoint is one endpoint of an EndpointSlice.
type SliceEndpoint struct {
	Addresses []string
	Ready     bool // conditions.ready, true when absent
	Zone      string
	NodeName  string
	TargetRef string // the name of the Pod behind it
}

// A Pod is what is read of a Pod, or of the template of a workload that makes
// some: its own labels and the ports of its containers.
type Pod struct {
	Labels         map[string]string
	Annotations    map[string]string
	ServiceAccount string
	Ports          []ContainerPort
}

// A ContainerPort is a port that a container declares.
type ContainerPort struct {
	Name string
	Port uint32
}
