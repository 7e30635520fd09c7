package external

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// Config says which service is asked, and what it is told.
type Config struct {
	// URL is where the service is, such as "http://opa.internal:8181". Its path stands
	// before that of each request.
	URL string
	// Transport sends the checks; nil is [http.DefaultTransport]. A check has the Host
	// of the request that it is about.
	Transport http.RoundTripper
	// Timeout bounds a check, its answer included; zero is 10 minutes, as with Istio.
	Timeout time.Duration

	// FailOpen lets requests through when the service fails. Otherwise they get
	// StatusOnError; zero is 403.
	FailOpen      bool
	StatusOnError int

	// RequestHeaders accepts the names, in lower case, of headers that the service is
	// told besides Host and Authorization.
	RequestHeaders []match.Value
	// AddHeaders is told in any case, in place of what a caller sends under a name.
	AddHeaders map[string]string
	// MaxBody is how many bytes of a body the service is told; zero is none. A longer
	// body is refused with 413, or with PartialBody cut off.
	MaxBody     int
	PartialBody bool

	// UpstreamHeaders accepts the names of headers of the service's answer that the
	// application gets, in place of what the caller sent.
	UpstreamHeaders []match.Value
	// AllowHeaders accepts the names of those that are added to the application's
	// answer.
	AllowHeaders []match.Value
	// DenyHeaders accepts the names of those that a caller gets who is refused, with
	// the service's text; if it is empty, all of them.
	DenyHeaders []match.Value
}

// A Service is asked whether requests may pass. It is made by [New] and may be used
// by many goroutines.
type Service struct {
	config Config
	url    *url.URL
	prefix string // of paths
	add    http.Header

	told, upstream, allow, deny *match.Strings // deny is nil for all
}

// New reports every problem of c, with fields such as "external.URL".
func New(c Config) (*Service, error) {
	l := check.List{Prefix: "external"}
	s := &Service{config: c, add: http.Header{}}
	var err error
	if s.url, err = url.Parse(c.URL); err != nil || s.url.Scheme != "http" && s.url.Scheme != "https" || s.url.Host == "" {
		l.Add("URL", c.URL, "must be a URL of http or https")
	} else if s.url.RawQuery != "" || s.url.Fragment != "" || s.url.User != nil {
		l.Add("URL", c.URL, "must end with a path: that of each request follows")
	}
	l.NotNegative("Timeout", c.Timeout)
	if c.StatusOnError != 0 && (c.StatusOnError < 200 || c.StatusOnError > 599) {
		l.Add("StatusOnError", c.StatusOnError, "must be 200 to 599")
	}
	if c.MaxBody < 0 {
		l.Add("MaxBody", c.MaxBody, "must not be negative")
	}
	for name, value := range c.AddHeaders {
		if (match.Request{Headers: []match.Field{{Name: name}}}).Validate() != nil || name[0] == ':' || name[0] == '@' {
			l.Add("AddHeaders["+strconv.Quote(name)+"]", name, "is no name of a header")
		}
		s.add[http.CanonicalHeaderKey(name)] = []string{value}
	}
	names := func(field string, values []match.Value) *match.Strings {
		var folded []match.Value
		for _, v := range values {
			if _, err := match.NewStrings(v.Fold()); err == nil {
				v = v.Fold()
			}
			folded = append(folded, v)
		}
		set, err := match.NewStrings(folded...)
		l.Include(field, err)
		return set
	}
	s.told = names("RequestHeaders", c.RequestHeaders)
	s.upstream = names("UpstreamHeaders", c.UpstreamHeaders)
	s.allow = names("AllowHeaders", c.AllowHeaders)
	if len(c.DenyHeaders) > 0 {
		s.deny = names("DenyHeaders", c.DenyHeaders)
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	if s.prefix = s.url.EscapedPath(); s.prefix == "/" {
		s.prefix = ""
	}
	s.config.Timeout = cmp.Or(c.Timeout, 10*time.Minute)
	s.config.StatusOnError = cmp.Or(c.StatusOnError, http.StatusForbidden)
	if c.Transport == nil {
		s.config.Transport = http.DefaultTransport
	}
	return s, nil
}
