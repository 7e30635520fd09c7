package forward

import (
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/oneline"
	"github.com/sidecarless/mesh/internal/rawpath"
)

// Config says how requests are sent on.
type Config struct {
	// Client sends them. It sees the request as it came, with the host that the
	// caller named in URL and Host.
	Client http.RoundTripper
	// Port is the service port that requests are for; zero takes the one that the
	// caller names, or that of the scheme.
	Port uint16
	// Error answers when Client returns an error; nil is [mesh.WriteError].
	Error func(http.ResponseWriter, *http.Request, error)
}

// New makes the handler. Bodies stream both ways, WebSockets and trailers pass.
// What Envoy refuses at the door is refused as Envoy does, and headers of which it
// keeps one line are joined to one.
func New(c Config) http.Handler {
	if c.Error == nil {
		c.Error = mesh.WriteError
	}
	return &handler{config: c, silent: log.New(io.Discard, "", 0)}
}

type handler struct {
	config  Config
	buffers buffers
	silent  *log.Logger // what went wrong is in the access log
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if refuse(w, r) {
		return
	}
	r = joined(r)
	x := exchange{config: &h.config, w: w, agent: r.Header["User-Agent"]}
	if r.ProtoMajor == 1 && r.Body != nil && r.Body != http.NoBody {
		x.upload = &upload{body: r.Body, left: r.ContentLength, control: http.NewResponseController(w)}
		// The server otherwise ends the request's body when the answer begins.
		if err := x.upload.control.EnableFullDuplex(); err != nil {
			h.config.Error(w, r, err)
			return
		}
		defer x.upload.leave()
	}
	proxy := httputil.ReverseProxy{
		Rewrite:        x.rewrite,
		Transport:      &x,
		FlushInterval:  -1,
		BufferPool:     &h.buffers,
		ErrorLog:       h.silent,
		ModifyResponse: x.answered,
		ErrorHandler:   x.failed,
	}
	defer linger(r)
	proxy.ServeHTTP(w, r)
}

// lingerFor is how long Envoy leaves a connection open on which an answer has
// broken off, so that the caller reads what was sent (delayed_close_timeout).
const lingerFor = time.Second

// linger waits before an answer that broke off ends the caller's connection.
func linger(r *http.Request) {
	reason := recover()
	if reason == nil {
		return
	}
	if reason == http.ErrAbortHandler {
		t := time.NewTimer(lingerFor)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
		}
	}
	panic(reason)
}

// An exchange is one request and its answer.
type exchange struct {
	config *Config
	w      http.ResponseWriter
	upload *upload  // nil without a body, and for HTTP/2
	agent  []string // the lines of the caller's User-Agent

	authenticate []string // of the answer's Proxy-Authenticate, which ReverseProxy takes away
}

// RoundTrip implements http.RoundTripper.
func (x *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	// ReverseProxy gives an empty line to who has none, which is a header to rules.
	// No lines at all keep net/http from adding its own as well.
	r.Header["User-Agent"] = x.agent
	res, err := x.config.Client.RoundTrip(r)
	if err == nil {
		x.authenticate = res.Header["Proxy-Authenticate"]
	}
	return res, err
}

// rewrite makes of a request that was received one to send, changing nothing that
// the caller wrote but hop-by-hop headers.
func (x *exchange) rewrite(p *httputil.ProxyRequest) {
	in, out := p.In, p.Out
	out.URL = target(in, x.config.Port)
	out.Host = in.Host
	out.RequestURI = ""      // the path to send is that of the URL
	out.Trailer = in.Trailer // filled when the body has ended
	if x.upload != nil {
		out.Body = x.upload
	}
	if (out.Body == nil || out.Body == http.NoBody) && tellsEmpty(in.Method) {
		// net/http then writes a Content-Length of zero, as Envoy does.
		out.Body, out.TransferEncoding = http.NoBody, []string{"identity"}
	}
	// The names that ReverseProxy takes away before Rewrite are the caller's.
	for _, name := range [...]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Proxy-Authorization"} {
		if v, ok := in.Header[name]; ok {
			out.Header[name] = v
		}
	}
	if isHTTP2(upgradeOf(in)) { // which is not changed to, but offered again by net/http's client
		delete(out.Header, "Connection")
		delete(out.Header, "Upgrade")
		delete(out.Header, "Http2-Settings")
	}
}

// joined is r with one line of each header of which Envoy keeps one.
func joined(r *http.Request) *http.Request {
	copied := false
	for name, lines := range r.Header {
		if len(lines) < 2 || !oneline.InRequest(name) {
			continue
		}
		if !copied {
			copied = true
			r = r.WithContext(r.Context())
			r.Header = maps.Clone(r.Header)
		}
		r.Header[name] = []string{oneline.Join(lines)}
	}
	return r
}

// answered sees the answer before the caller does.
func (x *exchange) answered(res *http.Response) error {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	if x.authenticate != nil {
		res.Header["Proxy-Authenticate"] = x.authenticate
	}
	if _, given := res.Header["Content-Type"]; !given {
		x.w.Header()["Content-Type"] = nil // the server would guess one
	}
	if x.upload != nil && !x.upload.ended.Load() {
		res.Header.Set("Connection", "close")
	}
	return nil
}

// failed answers when the client returned an error. Nobody is there to read it
// when the caller left.
func (x *exchange) failed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		panic(http.ErrAbortHandler)
	}
	if x.upload != nil && !x.upload.drain(r.Header) {
		w.Header().Set("Connection", "close")
	}
	x.config.Error(w, r, err)
}

// tellsEmpty reports whether a request of that method without a body says so in a
// header.
func tellsEmpty(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodConnect, http.MethodTrace:
		return false
	}
	return true
}

// target is the URL of a received request, with its path byte for byte.
func target(r *http.Request, port uint16) *url.URL {
	host := r.Host
	if port != 0 {
		name := host
		if h, _, err := net.SplitHostPort(host); err == nil {
			name = h
		}
		host = net.JoinHostPort(strings.Trim(name, "[]"), strconv.Itoa(int(port)))
	}
	u := &url.URL{Scheme: schemeOf(r), Host: host}
	raw := r.RequestURI
	if !strings.HasPrefix(raw, "/") { // absolute form
		if raw = afterAuthority(raw); raw == "" {
			raw = "/"
		}
	}
	raw, u.RawQuery, u.ForceQuery = cutQuery(raw)
	rawpath.Set(u, raw)
	return u
}

// cutQuery takes a target apart; force tells a "?" with nothing behind it.
func cutQuery(target string) (path, query string, force bool) {
	path, query, found := strings.Cut(target, "?")
	return path, query, found && query == ""
}

// schemeOf is the scheme that the caller spoke, as far as a proxy believes it.
func schemeOf(r *http.Request) string {
	switch proto := r.Header["X-Forwarded-Proto"]; {
	case len(proto) == 1 && (proto[0] == "http" || proto[0] == "https"):
		return proto[0]
	case r.URL.Scheme == "https" || r.TLS != nil:
		return "https"
	}
	return "http"
}

// buffers are for copying answers.
type buffers struct{ pool sync.Pool }

// bufferSize is that of [io.Copy].
const bufferSize = 32 << 10

// Get implements [httputil.BufferPool].
func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return buffer[:]
	}
	return make([]byte, bufferSize)
}

// Put implements [httputil.BufferPool].
func (b *buffers) Put(buffer []byte) { b.pool.Put((*[bufferSize]byte)(buffer)) }
