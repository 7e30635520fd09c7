package istio

// A Service is what is read of a Kubernetes Service.
type Service struct {
	Type         string            `yaml:"type"`
	ClusterIP    string            `yaml:"clusterIP"` // "None" for a headless one
	ExternalName string            `yaml:"externalName"`
	Selector     map[string]string `yaml:"selector"`
	Ports        []ServicePort     `yaml:"ports"`
}

// A ServicePort is one port of a Service.
type ServicePort struct {
	Name        string `yaml:"name"`
	Protocol    string `yaml:"protocol"` // the transport, TCP unless said otherwise
	AppProtocol string `yaml:"appProtocol"`
	Port        uint32 `yaml:"port"`
	TargetPort  string `yaml:"targetPort"` // a number or the name of a container port; empty for the same as Port
}

// An EndpointSlice is what is read of a Kubernetes EndpointSlice.
type EndpointSlice struct {
	Service   string          `yaml:"-"` // the name in its label kubernetes.io/service-name
	Ports     []EndpointPort  `yaml:"ports"`
	Endpoints []SliceEndpoint `yaml:"endpoints"`
}

// An EndpointPort is a port that all endpoints of a slice listen on.
type EndpointPort struct {
	Name        string `yaml:"name"` // of the Service's port
	AppProtocol string `yaml:"appProtocol"`
	Port        uint32 `yaml:"port"`
}

// A SliceEndpoint is one endpoint of an EndpointSlice.
type SliceEndpoint struct {
	Addresses  []string           `yaml:"addresses"`
	Conditions EndpointConditions `yaml:"conditions"`
	Zone       string             `yaml:"zone"`
	NodeName   string             `yaml:"nodeName"`
	TargetRef  TargetRef          `yaml:"targetRef"`
}

// EndpointConditions say whether an endpoint takes requests.
type EndpointConditions struct {
	Ready *bool `yaml:"ready"` // nil counts as ready
}

// A TargetRef names the Pod behind an endpoint.
type TargetRef struct {
	Kind string `yaml:"kind"`
	Name string `yaml:"name"`
}

// A Namespace is a Kubernetes Namespace; all there is to it is in its
// [Resource].
type Namespace struct{}

// A Pod is what is read of a Pod, or of the template in a Deployment or another
// kind that makes Pods.
type Pod struct {
	Labels         map[string]string
	Annotations    map[string]string
	ServiceAccount string
	HostNetwork    bool
	NodeName       string
	Sidecar        bool // it has a container istio-proxy
	Ports          []ContainerPort
}

// A Node is a Kubernetes Node; its labels, in its [Resource], say where it is.
type Node struct{}

// A ContainerPort is a port that a container declares.
type ContainerPort struct {
	Name string `yaml:"name"`
	Port uint32 `yaml:"containerPort"`
}

// A Secret holds the bytes of a Kubernetes Secret by their names.
type Secret struct {
	Type string
	Data map[string][]byte
}

// A ConfigMap holds the text of a Kubernetes ConfigMap by its names.
type ConfigMap struct {
	Data map[string]string `yaml:"data"`
}

// A CustomResourceDefinition names a kind that a cluster knows.
type CustomResourceDefinition struct {
	Group string
	Kind  string
}
