package gatewayapi

import "github.com/sidecarless/mesh/config/internal/manifest"

// The types follow gateway.networking.k8s.io/v1 field by field; its reference tells
// what they mean. Pointers are nil where nothing is written.

// An HTTPRouteSpec routes HTTP requests.
type HTTPRouteSpec struct {
	ParentRefs         []ParentRef      `yaml:"parentRefs"`
	Hostnames          []string         `yaml:"hostnames"`
	Rules              []HTTPRule       `yaml:"rules"`
	UseDefaultGateways manifest.Ignored `yaml:"useDefaultGateways"`
}

// A ParentRef names what a route is attached to.
type ParentRef struct {
	Group       *string `yaml:"group"`
	Kind        *string `yaml:"kind"`
	Namespace   *string `yaml:"namespace"`
	Name        string  `yaml:"name"`
	SectionName *string `yaml:"sectionName"`
	Port        *int32  `yaml:"port"`
}

// An HTTPRule says what is done with requests that one of its matches fits.
type HTTPRule struct {
	Name               string              `yaml:"name"`
	Matches            []HTTPMatch         `yaml:"matches"`
	Filters            []Filter            `yaml:"filters"`
	BackendRefs        []BackendRef        `yaml:"backendRefs"`
	Timeouts           *Timeouts           `yaml:"timeouts"`
	Retry              *Retry              `yaml:"retry"`
	SessionPersistence *SessionPersistence `yaml:"sessionPersistence"`
}

// An HTTPMatch describes requests by all of what it sets.
type HTTPMatch struct {
	Path        *PathMatch   `yaml:"path"`
	Headers     []ValueMatch `yaml:"headers"`
	QueryParams []ValueMatch `yaml:"queryParams"`
	Method      *string      `yaml:"method"`
}

// A PathMatch describes paths: Exact, PathPrefix or RegularExpression.
type PathMatch struct {
	Type  *string `yaml:"type"`
	Value *string `yaml:"value"`
}

// A ValueMatch describes a header or a query parameter: Exact or
// RegularExpression.
type ValueMatch struct {
	Type  *string `yaml:"type"`
	Name  string  `yaml:"name"`
	Value string  `yaml:"value"`
}

// A GRPCRouteSpec routes gRPC calls.
type GRPCRouteSpec struct {
	ParentRefs         []ParentRef      `yaml:"parentRefs"`
	Hostnames          []string         `yaml:"hostnames"`
	Rules              []GRPCRule       `yaml:"rules"`
	UseDefaultGateways manifest.Ignored `yaml:"useDefaultGateways"`
}

// A GRPCRule says what is done with calls that one of its matches fits.
type GRPCRule struct {
	Name               string              `yaml:"name"`
	Matches            []GRPCMatch         `yaml:"matches"`
	Filters            []Filter            `yaml:"filters"`
	BackendRefs        []BackendRef        `yaml:"backendRefs"`
	SessionPersistence *SessionPersistence `yaml:"sessionPersistence"`
}

// A GRPCMatch describes calls by all of what it sets.
type GRPCMatch struct {
	Method  *GRPCMethod  `yaml:"method"`
	Headers []ValueMatch `yaml:"headers"`
}

// A GRPCMethod describes methods: Exact or RegularExpression.
type GRPCMethod struct {
	Type    *string `yaml:"type"`
	Service *string `yaml:"service"`
	Method  *string `yaml:"method"`
}

// A Filter changes, copies or answers requests. The field that its Type names is
// set.
type Filter struct {
	Type                   string            `yaml:"type"`
	RequestHeaderModifier  *HeaderModifier   `yaml:"requestHeaderModifier"`
	ResponseHeaderModifier *HeaderModifier   `yaml:"responseHeaderModifier"`
	RequestMirror          *RequestMirror    `yaml:"requestMirror"`
	RequestRedirect        *RequestRedirect  `yaml:"requestRedirect"`
	URLRewrite             *URLRewrite       `yaml:"urlRewrite"`
	CORS                   *CORS             `yaml:"cors"`
	ExtensionRef           *ExtensionRef     `yaml:"extensionRef"`
	ExternalAuth           *manifest.Ignored `yaml:"externalAuth"`
}

// A HeaderModifier sets, adds and removes headers.
type HeaderModifier struct {
	Set    []Header `yaml:"set"`
	Add    []Header `yaml:"add"`
	Remove []string `yaml:"remove"`
}

// A Header is a header with its value.
type Header struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

// A RequestMirror copies requests to a backend.
type RequestMirror struct {
	BackendRef ObjectRef `yaml:"backendRef"`
	Percent    *int32    `yaml:"percent"`
	Fraction   *Fraction `yaml:"fraction"`
}

// A Fraction is a share; the denominator is 100 unless it says otherwise.
type Fraction struct {
	Numerator   int32  `yaml:"numerator"`
	Denominator *int32 `yaml:"denominator"`
}

// A RequestRedirect answers with a redirect.
type RequestRedirect struct {
	Scheme     *string       `yaml:"scheme"`
	Hostname   *string       `yaml:"hostname"`
	Path       *PathModifier `yaml:"path"`
	Port       *int32        `yaml:"port"`
	StatusCode *int          `yaml:"statusCode"`
}

// A URLRewrite changes the host and the path of requests.
type URLRewrite struct {
	Hostname *string       `yaml:"hostname"`
	Path     *PathModifier `yaml:"path"`
}

// A PathModifier is ReplaceFullPath or ReplacePrefixMatch.
type PathModifier struct {
	Type               string  `yaml:"type"`
	ReplaceFullPath    *string `yaml:"replaceFullPath"`
	ReplacePrefixMatch *string `yaml:"replacePrefixMatch"`
}

// A CORS says which pages of other origins may do what.
type CORS struct {
	AllowOrigins     []string `yaml:"allowOrigins"`
	AllowCredentials *bool    `yaml:"allowCredentials"`
	AllowMethods     []string `yaml:"allowMethods"`
	AllowHeaders     []string `yaml:"allowHeaders"`
	ExposeHeaders    []string `yaml:"exposeHeaders"`
	MaxAge           *int32   `yaml:"maxAge"`
}

// An ExtensionRef names a filter of an implementation.
type ExtensionRef struct {
	Group string `yaml:"group"`
	Kind  string `yaml:"kind"`
	Name  string `yaml:"name"`
}

// An ObjectRef names a Service, or another object.
type ObjectRef struct {
	Group     *string `yaml:"group"`
	Kind      *string `yaml:"kind"`
	Namespace *string `yaml:"namespace"`
	Name      string  `yaml:"name"`
	Port      *int32  `yaml:"port"`
}

// A BackendRef is a backend with its weight, 1 unless it says otherwise, and
// filters for the requests to it.
type BackendRef struct {
	Group     *string  `yaml:"group"`
	Kind      *string  `yaml:"kind"`
	Namespace *string  `yaml:"namespace"`
	Name      string   `yaml:"name"`
	Port      *int32   `yaml:"port"`
	Weight    *int32   `yaml:"weight"`
	Filters   []Filter `yaml:"filters"`
}

func (b *BackendRef) object() ObjectRef {
	return ObjectRef{Group: b.Group, Kind: b.Kind, Namespace: b.Namespace, Name: b.Name, Port: b.Port}
}

// Timeouts are durations such as 500ms or 1h30m; 0s is none.
type Timeouts struct {
	Request        *string `yaml:"request"`
	BackendRequest *string `yaml:"backendRequest"`
}

// A Retry says which answers are worth another attempt, and how many.
type Retry struct {
	Codes    []int   `yaml:"codes"`
	Attempts *int    `yaml:"attempts"`
	Backoff  *string `yaml:"backoff"`
}

// A SessionPersistence keeps a client at the endpoint that it met first.
type SessionPersistence struct {
	SessionName     *string        `yaml:"sessionName"`
	AbsoluteTimeout *string        `yaml:"absoluteTimeout"`
	IdleTimeout     *string        `yaml:"idleTimeout"` // until v1.5
	Type            *string        `yaml:"type"`        // Cookie or Header
	CookieConfig    *SessionCookie `yaml:"cookieConfig"`
	Cookie          *SessionCookie `yaml:"cookie"`
	Header          *SessionHeader `yaml:"header"`
}

// A SessionCookie says how the cookie of a session looks.
type SessionCookie struct {
	Name         *string `yaml:"name"`
	Path         *string `yaml:"path"`
	LifetimeType *string `yaml:"lifetimeType"` // Session or Permanent
}

// A SessionHeader names the header of a session.
type SessionHeader struct {
	Name *string `yaml:"name"`
}

// or is what a pointer points to, or else a default.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
