package otelmesh

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecarless/mesh"
)

// The attributes that the mesh adds to those of the semantic conventions.
const (
	keyRoute     = attribute.Key("mesh.route")
	keyCluster   = attribute.Key("mesh.cluster")
	keySubset    = attribute.Key("mesh.subset")
	keyEndpoint  = attribute.Key("mesh.endpoint")
	keyAttempts  = attribute.Key("mesh.attempts")
	keyAttempt   = attribute.Key("mesh.attempt")
	keyLost      = attribute.Key("mesh.lost")
	keyMirror    = attribute.Key("mesh.mirror")
	keyMirrors   = attribute.Key("mesh.mirrors")
	keyFlags     = attribute.Key("mesh.response_flags")
	keyDetails   = attribute.Key("mesh.response_code_details")
	keyRequestID = attribute.Key("mesh.request_id")
	keyReason    = attribute.Key("mesh.reason")
)

// The events of a request's span.
const (
	eventRetry = "mesh.retry"
	eventFault = "mesh.fault"
)

// methodOf is the method as attributes have it: those that are not known are one,
// so that callers cannot make up names.
func methodOf(r *http.Request) string {
	switch r.Method {
	case "":
		return http.MethodGet
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace, "QUERY":
		return r.Method
	}
	return semconv.HTTPRequestMethodOther.Value.AsString()
}

// nameOf is how a span of a method is called.
func nameOf(method string) string {
	if method == semconv.HTTPRequestMethodOther.Value.AsString() {
		return "HTTP"
	}
	return method
}

func appendMethod(attrs []attribute.KeyValue, method string, r *http.Request) []attribute.KeyValue {
	attrs = append(attrs, semconv.HTTPRequestMethodKey.String(method))
	if r.Method != method && r.Method != "" {
		attrs = append(attrs, semconv.HTTPRequestMethodOriginal(r.Method))
	}
	return attrs
}

// A place is where a request goes: the service, not one of its endpoints.
type place struct {
	scheme, authority string // as the request has them
	host              string
	port              int
}

// placeOf is where a client's request goes.
func placeOf(r *http.Request) place {
	p := place{scheme: r.URL.Scheme, authority: r.Host}
	if p.authority == "" {
		p.authority = r.URL.Host
	}
	if p.scheme == "" {
		p.scheme = "http"
	}
	p.host, p.port = splitHostPort(p.authority)
	if p.port == 0 {
		if p.port = 80; p.scheme == "https" {
			p.port = 443
		}
	}
	return p
}

// splitHostPort takes an authority apart; the port is zero where there is none.
func splitHostPort(authority string) (host string, port int) {
	colon := strings.LastIndexByte(authority, ':')
	if colon < 0 || strings.HasSuffix(authority, "]") {
		return strings.Trim(authority, "[]"), 0
	}
	n, err := strconv.ParseUint(authority[colon+1:], 10, 16)
	if err != nil {
		return authority, 0
	}
	return strings.Trim(authority[:colon], "[]"), int(n)
}

func appendPlace(attrs []attribute.KeyValue, p place, u *url.URL) []attribute.KeyValue {
	return append(attrs,
		semconv.ServerAddress(p.host), semconv.ServerPort(p.port),
		semconv.URLFull(p.scheme+"://"+p.authority+redacted(u)))
}

// secrets are the values of queries that url.full must not tell.
var secrets = [...]string{"AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"}

// redacted is the path and query of u, without signatures.
func redacted(u *url.URL) string {
	path := u.EscapedPath()
	switch {
	case strings.HasPrefix(u.Opaque, "/") && !strings.HasPrefix(u.Opaque, "//"):
		path = u.Opaque // of a path that is no valid encoding of anything
	case path == "":
		path = "/"
	}
	if u.RawQuery == "" {
		return path
	}
	return path + "?" + redactedQuery(u.RawQuery)
}

func redactedQuery(query string) string {
	found := false
	for _, name := range secrets {
		found = found || strings.Contains(query, name+"=")
	}
	if !found {
		return query
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		for _, secret := range secrets {
			if name == secret {
				pairs[i] = name + "=REDACTED"
			}
		}
	}
	return strings.Join(pairs, "&")
}

// appendPeer appends the address of the other end of a connection.
func appendPeer(attrs []attribute.KeyValue, address string) []attribute.KeyValue {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return attrs
	}
	return append(attrs, semconv.NetworkPeerAddress(a.Addr().String()), semconv.NetworkPeerPort(int(a.Port())))
}

// clientAddress is the first that a request is said to come from.
func clientAddress(r *http.Request) string {
	if said := r.Header["X-Forwarded-For"]; len(said) > 0 {
		first, _, _ := strings.Cut(said[0], ",")
		if first = strings.TrimSpace(first); first != "" {
			return first
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// protocolOf is the version of HTTP as the conventions have it.
func protocolOf(major, minor int) string {
	switch {
	case major == 1 && minor == 0:
		return "1.0"
	case major == 1:
		return "1.1"
	case major == 2:
		return "2"
	case major == 3:
		return "3"
	}
	return ""
}

// errorType is the kind of an error, in few different words: what a layer or
// net/http failed with, in Envoy's.
func errorType(err error) string {
	if e := mesh.AsError(err); e.Details != "" {
		return e.Details
	}
	return semconv.ErrorTypeOther.Value.AsString()
}

// fail makes a span one of an error. What a status tells needs no words.
func fail(span trace.Span, kind string, err error) {
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
	description := ""
	if err != nil {
		description = err.Error()
	}
	span.SetStatus(codes.Error, description)
}

// errPanic is the error of a handler that panicked.
var errPanic = errors.New("the handler panicked")
