package istio

import "fmt"

// A RateLimit says how many requests a workload takes. It is a kind of this
// library's own, of the group mesh.sidecarless.dev, for what in Istio takes an
// EnvoyFilter with Envoy's local rate limit:
//
//	apiVersion: mesh.sidecarless.dev/v1alpha1
//	kind: RateLimit
//	metadata: {name: orders, namespace: shop}
//	spec:
//	  selector: {matchLabels: {app: orders}}
//	  rules:
//	  - name: per-user
//	    key: {header: X-User}
//	    tokenBucket: {maxTokens: 20, tokensPerFill: 10, fillInterval: 1s}
//	    exempt: [{path: /healthz}]
//
// It reaches the workloads that an AuthorizationPolicy in its place would: those of
// its namespace, or of the whole mesh from the root namespace, that have the
// labels. All that reach a workload hold, their rules one after the other.
type RateLimit struct {
	Selector LabelSelector   `yaml:"selector"`
	Rules    []RateLimitRule `yaml:"rules"`
}

// A LabelSelector selects workloads that have all of the labels.
type LabelSelector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

// A RateLimitRule is one limit. A request that finds no token is answered with 429,
// or Status, and Retry-After.
type RateLimitRule struct {
	// Name tells the rules of an object apart, also over a reload; empty is the place
	// in the list.
	Name string `yaml:"name"`

	// Key tells apart the requests that have buckets of their own; nil is one for all.
	Key *RateLimitKey `yaml:"key"`

	// MaxKeys bounds how many keys have a bucket at a time; zero is 10,000. The least
	// used are forgotten first.
	MaxKeys int `yaml:"maxKeys"`

	TokenBucket TokenBucket `yaml:"tokenBucket"`

	// Exempt describes requests that take no token. One description has to fit.
	Exempt []Exemption `yaml:"exempt"`

	Status  int               `yaml:"status"`  // of refusals, 400 to 599; zero is 429
	Headers map[string]string `yaml:"headers"` // added to refusals

	// RateLimitHeaders adds x-ratelimit-limit, -remaining and -reset to answers. Of
	// several rules the last that counts a request has the word.
	RateLimitHeaders bool `yaml:"rateLimitHeaders"`

	// ResourceExhausted gives gRPC callers the status 8 in place of 14.
	ResourceExhausted bool `yaml:"resourceExhausted"`

	// DryRun counts what would be refused and refuses nothing.
	DryRun bool `yaml:"dryRun"`
}

// String is the rule's bucket in words.
func (r *RateLimitRule) String() string {
	return fmt.Sprintf("%d at once, %d more each %s", r.TokenBucket.MaxTokens, max(r.TokenBucket.TokensPerFill, 1), r.TokenBucket.FillInterval)
}

// A RateLimitKey says what requests share a bucket: exactly one of its fields is
// set. Requests that do not have it share the bucket of those without.
type RateLimitKey struct {
	Header   string    `yaml:"header"`   // the first line of this header
	Identity *struct{} `yaml:"identity"` // who calls over mutual TLS
	Address  *struct{} `yaml:"address"`  // whence the connection comes, without the port
	Paths    []string  `yaml:"paths"`    // the first of these templates that the path fits
}

// A TokenBucket is full at first and fills evenly. The names are Envoy's.
type TokenBucket struct {
	MaxTokens     int    `yaml:"maxTokens"`     // that may be taken at once; required
	TokensPerFill int    `yaml:"tokensPerFill"` // that flow back in each FillInterval; zero is 1
	FillInterval  string `yaml:"fillInterval"`  // a duration such as 1s, at least 50ms; required
}

// An Exemption describes requests: all that is set must fit. A value may have a
// star at one end, a path may be a template.
type Exemption struct {
	Method  string            `yaml:"method"`
	Path    string            `yaml:"path"` // normalized, without the query
	Headers map[string]string `yaml:"headers"`
}

// RateLimits are the objects of that kind, oldest first.
func (c *Config) RateLimits() []Object[*RateLimit] { return objectsOf[*RateLimit](c) }
