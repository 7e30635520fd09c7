package gatewayapi

import "github.com/sidecarless/mesh/config/internal/manifest"

// A gatewaySpec is listeners.
type gatewaySpec struct {
	Class            string            `yaml:"gatewayClassName"`
	Listeners        []listenerSpec    `yaml:"listeners"`
	AllowedListeners *allowedListeners `yaml:"allowedListeners"`
	Addresses        manifest.Ignored  `yaml:"addresses"`
	Infrastructure   manifest.Ignored  `yaml:"infrastructure"`
	TLS              manifest.Ignored  `yaml:"tls"`
	DefaultScope     manifest.Ignored  `yaml:"defaultScope"`
}

// A listenerSpec is a port with the hostnames that are served there.
type listenerSpec struct {
	Name          string         `yaml:"name"`
	Hostname      *string        `yaml:"hostname"`
	Port          int32          `yaml:"port"`
	Protocol      string         `yaml:"protocol"`
	TLS           *listenerTLS   `yaml:"tls"`
	AllowedRoutes *allowedRoutes `yaml:"allowedRoutes"`
}

// A listenerTLS says how a listener speaks TLS. Certificates are those of the
// server that the handler is given to.
type listenerTLS struct {
	Mode               *string          `yaml:"mode"`
	CertificateRefs    manifest.Ignored `yaml:"certificateRefs"`
	FrontendValidation manifest.Ignored `yaml:"frontendValidation"`
	Options            manifest.Ignored `yaml:"options"`
}

// allowedRoutes are the routes that may be attached to a listener.
type allowedRoutes struct {
	Namespaces *fromNamespaces `yaml:"namespaces"`
	Kinds      []routeKind     `yaml:"kinds"`
}

// A routeKind is a kind of routes.
type routeKind struct {
	Group *string `yaml:"group"`
	Kind  string  `yaml:"kind"`
}

// fromNamespaces says from which namespaces something may come: All, Same,
// Selector or None.
type fromNamespaces struct {
	From     *string   `yaml:"from"`
	Selector *selector `yaml:"selector"`
}

// A selector selects by labels.
type selector struct {
	MatchLabels      map[string]string `yaml:"matchLabels"`
	MatchExpressions []requirement     `yaml:"matchExpressions"`
}

// A requirement on a label: In, NotIn, Exists or DoesNotExist.
type requirement struct {
	Key      string   `yaml:"key"`
	Operator string   `yaml:"operator"`
	Values   []string `yaml:"values"`
}

// allowedListeners are the ListenerSets that may add to a Gateway.
type allowedListeners struct {
	Namespaces *fromNamespaces `yaml:"namespaces"`
}

// A listenerSetSpec adds listeners to a Gateway.
type listenerSetSpec struct {
	ParentRef parentRef      `yaml:"parentRef"`
	Listeners []listenerSpec `yaml:"listeners"`
}

// A referenceGrantSpec lets objects of other namespaces refer to some of its own.
type referenceGrantSpec struct {
	From []grantFrom `yaml:"from"`
	To   []grantTo   `yaml:"to"`
}

// A grantFrom says who may refer.
type grantFrom struct {
	Group     string `yaml:"group"`
	Kind      string `yaml:"kind"`
	Namespace string `yaml:"namespace"`
}

// A grantTo says to what; without a name to all of the kind.
type grantTo struct {
	Group string  `yaml:"group"`
	Kind  string  `yaml:"kind"`
	Name  *string `yaml:"name"`
}
