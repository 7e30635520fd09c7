package gatewayapi

import "github.com/sidecarless/mesh/config/internal/manifest"

// A GatewaySpec is listeners.
type GatewaySpec struct {
	Class            string            `yaml:"gatewayClassName"`
	Listeners        []Listener        `yaml:"listeners"`
	AllowedListeners *AllowedListeners `yaml:"allowedListeners"`
	Addresses        manifest.Ignored  `yaml:"addresses"`
	Infrastructure   manifest.Ignored  `yaml:"infrastructure"`
	TLS              manifest.Ignored  `yaml:"tls"`
	DefaultScope     manifest.Ignored  `yaml:"defaultScope"`
}

// A Listener is a port with the hostnames that are served there.
type Listener struct {
	Name          string         `yaml:"name"`
	Hostname      *string        `yaml:"hostname"`
	Port          int32          `yaml:"port"`
	Protocol      string         `yaml:"protocol"`
	TLS           *ListenerTLS   `yaml:"tls"`
	AllowedRoutes *AllowedRoutes `yaml:"allowedRoutes"`
}

// A ListenerTLS says how a listener speaks TLS. Certificates are those of the
// server that the handler is given to.
type ListenerTLS struct {
	Mode               *string          `yaml:"mode"`
	CertificateRefs    manifest.Ignored `yaml:"certificateRefs"`
	FrontendValidation manifest.Ignored `yaml:"frontendValidation"`
	Options            manifest.Ignored `yaml:"options"`
}

// AllowedRoutes are the routes that may be attached to a listener.
type AllowedRoutes struct {
	Namespaces *FromNamespaces `yaml:"namespaces"`
	Kinds      []RouteKind     `yaml:"kinds"`
}

// A RouteKind is a kind of routes.
type RouteKind struct {
	Group *string `yaml:"group"`
	Kind  string  `yaml:"kind"`
}

// FromNamespaces says from which namespaces something may come: All, Same,
// Selector or None.
type FromNamespaces struct {
	From     *string   `yaml:"from"`
	Selector *Selector `yaml:"selector"`
}

// A Selector selects by labels.
type Selector struct {
	MatchLabels      map[string]string `yaml:"matchLabels"`
	MatchExpressions []Requirement     `yaml:"matchExpressions"`
}

// A Requirement on a label: In, NotIn, Exists or DoesNotExist.
type Requirement struct {
	Key      string   `yaml:"key"`
	Operator string   `yaml:"operator"`
	Values   []string `yaml:"values"`
}

// AllowedListeners are the ListenerSets that may add to a Gateway.
type AllowedListeners struct {
	Namespaces *FromNamespaces `yaml:"namespaces"`
}

// A ListenerSetSpec adds listeners to a Gateway.
type ListenerSetSpec struct {
	ParentRef ParentRef  `yaml:"parentRef"`
	Listeners []Listener `yaml:"listeners"`
}

// A ReferenceGrantSpec lets objects of other namespaces refer to some of its own.
type ReferenceGrantSpec struct {
	From []GrantFrom `yaml:"from"`
	To   []GrantTo   `yaml:"to"`
}

// A GrantFrom says who may refer.
type GrantFrom struct {
	Group     string `yaml:"group"`
	Kind      string `yaml:"kind"`
	Namespace string `yaml:"namespace"`
}

// A GrantTo says to what; without a name to all of the kind.
type GrantTo struct {
	Group string  `yaml:"group"`
	Kind  string  `yaml:"kind"`
	Name  *string `yaml:"name"`
}

// A Service is what is read of a Kubernetes Service.
type Service struct {
	Type         string        `yaml:"type"`
	ClusterIP    string        `yaml:"clusterIP"` // "None" for a headless one
	ExternalName string        `yaml:"externalName"`
	Ports        []ServicePort `yaml:"ports"`
}

// A ServicePort is one port of a Service.
type ServicePort struct {
	Name        string `yaml:"name"`
	Protocol    string `yaml:"protocol"`
	AppProtocol string `yaml:"appProtocol"`
	Port        int32  `yaml:"port"`
	TargetPort  string `yaml:"targetPort"` // a number, or the name of a container's port
}

// An EndpointSlice is what is read of a Kubernetes EndpointSlice.
type EndpointSlice struct {
	Service   string          `yaml:"-"` // the name in its label kubernetes.io/service-name
	Ports     []EndpointPort  `yaml:"ports"`
	Endpoints []SliceEndpoint `yaml:"endpoints"`
}

// An EndpointPort is a port on which the endpoints of a slice listen.
type EndpointPort struct {
	Name string `yaml:"name"` // of the Service's port
	Port int32  `yaml:"port"`
}

// A SliceEndpoint is one endpoint of a slice.
type SliceEndpoint struct {
	Addresses  []string `yaml:"addresses"`
	Zone       string   `yaml:"zone"`
	Conditions struct {
		Ready *bool `yaml:"ready"` // nil counts as ready
	} `yaml:"conditions"`
}

// A Namespace is known by its labels.
type Namespace struct{}
