package kube

import "iter"

// A Service is a Kubernetes Service.
type Service struct {
	Type         string            `yaml:"type"`
	ClusterIP    string            `yaml:"clusterIP"` // [Headless] for one that has none
	ExternalName string            `yaml:"externalName"`
	Selector     map[string]string `yaml:"selector"`
	Ports        []ServicePort     `yaml:"ports"`
}

// Headless is the ClusterIP of a Service that has none: its name stands for the
// pods themselves.
const Headless = "None"

// ExternalName is the type of a Service that is another name of a host.
const ExternalName = "ExternalName"

// A ServicePort is one port of a Service.
type ServicePort struct {
	Name        string `yaml:"name"`
	Protocol    string `yaml:"protocol"` // the transport, TCP unless said otherwise
	AppProtocol string `yaml:"appProtocol"`
	Port        uint32 `yaml:"port"`
	TargetPort  string `yaml:"targetPort"` // a number or the name of a container port; empty for the same as Port
}

// Values of AppProtocol that Kubernetes defines (KEP-3726).
const (
	H2C = "kubernetes.io/h2c"
	WS  = "kubernetes.io/ws"
	WSS = "kubernetes.io/wss"
)

// An EndpointSlice is a part of the endpoints of a Service.
type EndpointSlice struct {
	Service   string         `yaml:"-"` // beside it, in its namespace: its label kubernetes.io/service-name
	Ports     []EndpointPort `yaml:"ports"`
	Endpoints []Endpoint     `yaml:"endpoints"`
}

// An EndpointPort is a port that all endpoints of a slice listen on.
type EndpointPort struct {
	Name string `yaml:"name"` // of the Service's port
	Port uint32 `yaml:"port"`
}

// An Endpoint is one endpoint of a slice.
type Endpoint struct {
	Addresses  []string   `yaml:"addresses"`
	Conditions Conditions `yaml:"conditions"`
	Zone       string     `yaml:"zone"`
	NodeName   string     `yaml:"nodeName"`
	TargetRef  TargetRef  `yaml:"targetRef"`
}

// Conditions say whether an endpoint takes requests.
type Conditions struct {
	Ready *bool `yaml:"ready"` // nil counts as ready
}

// A TargetRef names the object behind an endpoint.
type TargetRef struct {
	Kind string `yaml:"kind"`
	Name string `yaml:"name"`
}

// Ready yields the address of each endpoint that takes requests. Where it has
// several, the first counts: all are for the same endpoint.
func (s *EndpointSlice) Ready() iter.Seq2[string, *Endpoint] {
	return func(yield func(string, *Endpoint) bool) {
		for i := range s.Endpoints {
			e := &s.Endpoints[i]
			ready := e.Conditions.Ready == nil || *e.Conditions.Ready
			if ready && len(e.Addresses) > 0 && !yield(e.Addresses[0], e) {
				return
			}
		}
	}
}

// Pod is the name of the Pod behind an endpoint; empty if it is none.
func (e *Endpoint) Pod() string {
	if e.TargetRef.Kind != "Pod" {
		return ""
	}
	return e.TargetRef.Name
}

// A Pod is a Kubernetes Pod, or one that a Deployment or its like would make.
type Pod struct {
	Labels         map[string]string
	Annotations    map[string]string
	ServiceAccount string // empty is default
	NodeName       string
	Sidecar        bool // it has a container istio-proxy
}

// A Secret holds bytes by their names.
type Secret struct {
	Data map[string][]byte
}

// A CustomResourceDefinition names a kind that a cluster knows.
type CustomResourceDefinition struct {
	Group string
	Kind  string
}

// A Namespace is known by its name and labels.
type Namespace struct{}

// A Node is known by its name and labels.
type Node struct{}

// A ConfigMap is known by its name.
type ConfigMap struct{}
