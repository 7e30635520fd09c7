package rewrite

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/rw"
	"github.com/sidecarless/mesh/match"
)

// CORSConfig says which pages of other origins may do what (the CORS protocol of
// the Fetch standard). It is not access control: requests of other origins are
// served, and it is the browser that keeps the answer from the page.
type CORSConfig struct {
	// Origins are those that are allowed; one that accepts "*" allows all.
	Origins []match.Value

	// Methods and Headers are what an allowed page may use; "*" alone allows what
	// it asks for. Expose are the headers of answers that it may read. Nil says
	// nothing of them.
	Methods, Headers, Expose []string

	// MaxAge is how long a browser may remember the answer to a preflight, in whole
	// seconds. Zero says nothing of it.
	MaxAge time.Duration

	// Credentials lets a page send cookies.
	Credentials bool

	// RefuseUnmatched answers preflights of origins that are not allowed, without
	// allowing anything. Otherwise they are sent on. These are Istio's IGNORE and
	// FORWARD.
	RefuseUnmatched bool
}

// A CORS answers preflights and marks answers. It is made by [NewCORS] and may be
// used by many goroutines while it is updated.
type CORS struct {
	now atomic.Pointer[policy]
}

// A policy is a CORSConfig, compiled: the values of headers, empty for none.
type policy struct {
	origins                          *match.Strings
	any                              bool
	methods, headers, expose, maxAge string
	credentials, refuse              bool
}

const (
	allowOrigin      = "Access-Control-Allow-Origin"
	allowCredentials = "Access-Control-Allow-Credentials"
	allowMethods     = "Access-Control-Allow-Methods"
	allowHeaders     = "Access-Control-Allow-Headers"
	exposeHeaders    = "Access-Control-Expose-Headers"
	maxAge           = "Access-Control-Max-Age"
	requestMethod    = "Access-Control-Request-Method"
	requestHeaders   = "Access-Control-Request-Headers"

	detailsCORS = "cors_response"
)

// NewCORS reports every problem of c, with fields such as "rewrite.MaxAge".
func NewCORS(c CORSConfig) (*CORS, error) {
	k := new(CORS)
	if err := k.Update(c); err != nil {
		return nil, err
	}
	return k, nil
}

// Update replaces the configuration for requests to come. With an error nothing
// has changed.
func (k *CORS) Update(c CORSConfig) error {
	problems := check.List{Prefix: "rewrite"}
	p := &policy{credentials: c.Credentials, refuse: c.RefuseUnmatched}
	var err error
	p.origins, err = match.NewStrings(c.Origins...)
	problems.Include("Origins", err)
	for _, list := range []struct {
		field string
		names []string
		to    *string
	}{{"Methods", c.Methods, &p.methods}, {"Headers", c.Headers, &p.headers}, {"Expose", c.Expose, &p.expose}} {
		for i, name := range list.names {
			if !isToken(name) {
				problems.Add(list.field+"["+strconv.Itoa(i)+"]", name, "must be a name or *")
			}
		}
		*list.to = strings.Join(list.names, ",")
	}
	switch {
	case c.MaxAge < 0 || c.MaxAge%time.Second != 0:
		problems.Add("MaxAge", c.MaxAge, "must be whole seconds")
	case c.MaxAge > 0:
		p.maxAge = strconv.FormatInt(int64(c.MaxAge/time.Second), 10)
	}
	if err := problems.Err(); err != nil {
		return err
	}
	p.any = p.origins.Match("*")
	k.now.Store(p)
	return nil
}

// origin is the origin of r, if it has one, and whether it is allowed. Several lines
// are one value, which is that of no page.
func (p *policy) origin(r *http.Request) (origin string, allowed bool) {
	if lines := r.Header["Origin"]; len(lines) > 1 {
		origin = strings.Join(lines, ",")
	} else {
		origin = first(lines)
	}
	return origin, origin != "" && (p.any || p.origins.Match(origin))
}

// answers reports whether r is a preflight to be answered here.
func (p *policy) answers(r *http.Request, origin string, allowed bool) bool {
	return origin != "" && r.Method == http.MethodOptions && first(r.Header[requestMethod]) != "" && (allowed || p.refuse)
}

// preflight is the answer to a preflight.
func (p *policy) preflight(r *http.Request, origin string, allowed bool) Reply {
	h := make(http.Header)
	set := func(name, value, wish string) {
		switch {
		case value == "":
		case value == "*" && wish != "":
			h[name] = []string{first(r.Header[wish])} // empty if it wishes none, as Envoy has it
		default:
			h[name] = []string{value}
		}
	}
	set(allowMethods, p.methods, requestMethod)
	set(allowHeaders, p.headers, requestHeaders)
	set(maxAge, p.maxAge, "")
	switch {
	case allowed:
		p.mark(h, origin)
	case p.credentials:
		h[allowCredentials] = []string{"true"} // Envoy does so, and it allows nothing
	}
	return Reply{Status: http.StatusOK, Header: h, details: detailsCORS}
}

// mark lets a page of the origin read the answer.
func (p *policy) mark(h http.Header, origin string) {
	h[allowOrigin] = []string{origin}
	if p.credentials {
		h[allowCredentials] = []string{"true"}
	}
	if p.expose != "" {
		h[exposeHeaders] = []string{p.expose}
	}
}

// Transport answers preflights in place of next and marks its answers.
func (k *CORS) Transport(next http.RoundTripper) http.RoundTripper {
	return &corsTransport{k, next}
}

type corsTransport struct {
	k    *CORS
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *corsTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	p := t.k.now.Load()
	origin, allowed := p.origin(r)
	if p.answers(r, origin, allowed) {
		return p.preflight(r, origin, allowed).RoundTrip(r)
	}
	res, err := t.next.RoundTrip(r)
	if !allowed {
		return res, err
	}
	if err != nil {
		return nil, withHeader(err, func(h http.Header, _ int) { p.mark(h, origin) })
	}
	if res.Header == nil {
		res.Header = make(http.Header)
	}
	p.mark(res.Header, origin)
	return res, nil
}

// Handler answers preflights in place of next and marks its answers.
func (k *CORS) Handler(next http.Handler) http.Handler {
	return &corsHandler{k, next}
}

type corsHandler struct {
	k    *CORS
	next http.Handler
}

// ServeHTTP implements http.Handler.
func (h *corsHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := h.k.now.Load()
	origin, allowed := p.origin(r)
	switch {
	case p.answers(r, origin, allowed):
		p.preflight(r, origin, allowed).ServeHTTP(w, r)
	case allowed:
		a := &corsAnswer{p: p, origin: origin}
		h.next.ServeHTTP(a.Wrap(w, a), r)
		a.Finish()
	default:
		h.next.ServeHTTP(w, r)
	}
}

// A corsAnswer is marked when its header is written.
type corsAnswer struct {
	rw.Writer
	p      *policy
	origin string
}

// BeforeHeader implements rw.Hooks.
func (a *corsAnswer) BeforeHeader(status int) int {
	a.p.mark(a.Header(), a.origin)
	return status
}
