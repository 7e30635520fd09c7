package gatewayapi

import "github.com/sidecarless/mesh/config/internal/manifest"

// The types follow gateway.networking.k8s.io/v1 field by field; its reference tells
// what they mean. Pointers are nil where nothing is written.

// A routeSpec is that of a route: of an HTTPRoute with rules of HTTP, of a GRPCRoute
// with rules of gRPC.
type routeSpec[Rule any] struct {
	ParentRefs         []parentRef      `yaml:"parentRefs"`
	Hostnames          []string         `yaml:"hostnames"`
	Rules              []Rule           `yaml:"rules"`
	UseDefaultGateways manifest.Ignored `yaml:"useDefaultGateways"`
}

// A parentRef names what a route is attached to.
type parentRef struct {
	Group       *string `yaml:"group"`
	Kind        *string `yaml:"kind"`
	Namespace   *string `yaml:"namespace"`
	Name        string  `yaml:"name"`
	SectionName *string `yaml:"sectionName"`
	Port        *int32  `yaml:"port"`
}

// An httpRule says what is done with requests that one of its matches fits.
type httpRule struct {
	Name               string              `yaml:"name"`
	Matches            []httpMatch         `yaml:"matches"`
	Filters            []filter            `yaml:"filters"`
	BackendRefs        []backendRef        `yaml:"backendRefs"`
	Timeouts           *timeouts           `yaml:"timeouts"`
	Retry              *retrySpec          `yaml:"retry"`
	SessionPersistence *sessionPersistence `yaml:"sessionPersistence"`
}

// An httpMatch describes requests by all of what it sets.
type httpMatch struct {
	Path        *pathMatch   `yaml:"path"`
	Headers     []valueMatch `yaml:"headers"`
	QueryParams []valueMatch `yaml:"queryParams"`
	Method      *string      `yaml:"method"`
}

// A pathMatch describes paths: Exact, PathPrefix or RegularExpression.
type pathMatch struct {
	Type  *string `yaml:"type"`
	Value *string `yaml:"value"`
}

// A valueMatch describes a header or a query parameter: Exact or
// RegularExpression.
type valueMatch struct {
	Type  *string `yaml:"type"`
	Name  string  `yaml:"name"`
	Value string  `yaml:"value"`
}

// A grpcRule says what is done with calls that one of its matches fits.
type grpcRule struct {
	Name               string              `yaml:"name"`
	Matches            []grpcMatch         `yaml:"matches"`
	Filters            []filter            `yaml:"filters"`
	BackendRefs        []backendRef        `yaml:"backendRefs"`
	SessionPersistence *sessionPersistence `yaml:"sessionPersistence"`
}

// A grpcMatch describes calls by all of what it sets.
type grpcMatch struct {
	Method  *grpcMethod  `yaml:"method"`
	Headers []valueMatch `yaml:"headers"`
}

// A grpcMethod describes methods: Exact or RegularExpression.
type grpcMethod struct {
	Type    *string `yaml:"type"`
	Service *string `yaml:"service"`
	Method  *string `yaml:"method"`
}

// A filter changes, copies or answers requests. The field that its Type names is
// set.
type filter struct {
	Type                   string            `yaml:"type"`
	RequestHeaderModifier  *headerModifier   `yaml:"requestHeaderModifier"`
	ResponseHeaderModifier *headerModifier   `yaml:"responseHeaderModifier"`
	RequestMirror          *requestMirror    `yaml:"requestMirror"`
	RequestRedirect        *requestRedirect  `yaml:"requestRedirect"`
	URLRewrite             *urlRewrite       `yaml:"urlRewrite"`
	CORS                   *corsFilter       `yaml:"cors"`
	ExtensionRef           *extensionRef     `yaml:"extensionRef"`
	ExternalAuth           *manifest.Ignored `yaml:"externalAuth"`
}

// A headerModifier sets, adds and removes headers.
type headerModifier struct {
	Set    []headerValue `yaml:"set"`
	Add    []headerValue `yaml:"add"`
	Remove []string      `yaml:"remove"`
}

// A headerValue is a header with its value.
type headerValue struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

// A requestMirror copies requests to a backend.
type requestMirror struct {
	BackendRef objectRef `yaml:"backendRef"`
	Percent    *int32    `yaml:"percent"`
	Fraction   *fraction `yaml:"fraction"`
}

// A fraction is a share; the denominator is 100 unless it says otherwise.
type fraction struct {
	Numerator   int32  `yaml:"numerator"`
	Denominator *int32 `yaml:"denominator"`
}

// A requestRedirect answers with a redirect.
type requestRedirect struct {
	Scheme     *string       `yaml:"scheme"`
	Hostname   *string       `yaml:"hostname"`
	Path       *pathModifier `yaml:"path"`
	Port       *int32        `yaml:"port"`
	StatusCode *int          `yaml:"statusCode"`
}

// A urlRewrite changes the host and the path of requests.
type urlRewrite struct {
	Hostname *string       `yaml:"hostname"`
	Path     *pathModifier `yaml:"path"`
}

// A pathModifier is ReplaceFullPath or ReplacePrefixMatch.
type pathModifier struct {
	Type               string  `yaml:"type"`
	ReplaceFullPath    *string `yaml:"replaceFullPath"`
	ReplacePrefixMatch *string `yaml:"replacePrefixMatch"`
}

// A corsFilter says which pages of other origins may do what.
type corsFilter struct {
	AllowOrigins     []string `yaml:"allowOrigins"`
	AllowCredentials *bool    `yaml:"allowCredentials"`
	AllowMethods     []string `yaml:"allowMethods"`
	AllowHeaders     []string `yaml:"allowHeaders"`
	ExposeHeaders    []string `yaml:"exposeHeaders"`
	MaxAge           *int32   `yaml:"maxAge"`
}

// An extensionRef names a filter of an implementation.
type extensionRef struct {
	Group string `yaml:"group"`
	Kind  string `yaml:"kind"`
	Name  string `yaml:"name"`
}

// An objectRef names a Service, or another object.
type objectRef struct {
	Group     *string `yaml:"group"`
	Kind      *string `yaml:"kind"`
	Namespace *string `yaml:"namespace"`
	Name      string  `yaml:"name"`
	Port      *int32  `yaml:"port"`
}

// A backendRef is a backend with its weight, 1 unless it says otherwise, and
// filters for the requests to it.
type backendRef struct {
	Group     *string  `yaml:"group"`
	Kind      *string  `yaml:"kind"`
	Namespace *string  `yaml:"namespace"`
	Name      string   `yaml:"name"`
	Port      *int32   `yaml:"port"`
	Weight    *int32   `yaml:"weight"`
	Filters   []filter `yaml:"filters"`
}

func (b *backendRef) object() objectRef {
	return objectRef{Group: b.Group, Kind: b.Kind, Namespace: b.Namespace, Name: b.Name, Port: b.Port}
}

// timeouts are durations such as 500ms or 1h30m; 0s is none.
type timeouts struct {
	Request        *string `yaml:"request"`
	BackendRequest *string `yaml:"backendRequest"`
}

// A retrySpec says which answers are worth another attempt, and how many.
type retrySpec struct {
	Codes    []int   `yaml:"codes"`
	Attempts *int    `yaml:"attempts"`
	Backoff  *string `yaml:"backoff"`
}

// A sessionPersistence keeps a client at the endpoint that it met first.
type sessionPersistence struct {
	SessionName     *string        `yaml:"sessionName"`
	AbsoluteTimeout *string        `yaml:"absoluteTimeout"`
	IdleTimeout     *string        `yaml:"idleTimeout"` // until v1.5
	Type            *string        `yaml:"type"`        // Cookie or Header
	CookieConfig    *sessionCookie `yaml:"cookieConfig"`
	Cookie          *sessionCookie `yaml:"cookie"`
	Header          *sessionHeader `yaml:"header"`
}

// A sessionCookie says how the cookie of a session looks.
type sessionCookie struct {
	Name         *string `yaml:"name"`
	Path         *string `yaml:"path"`
	LifetimeType *string `yaml:"lifetimeType"` // Session or Permanent
}

// A sessionHeader names the header of a session.
type sessionHeader struct {
	Name *string `yaml:"name"`
}

// or is what a pointer points to, or else a default.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
