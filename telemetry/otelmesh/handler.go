package otelmesh

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/rw"
)

// Handler is a server layer: each request is a SERVER span, that of the caller's
// headers continued, and is measured. Calls that next makes with the context of the
// request are part of it. The layer belongs outside of all others, but for the log
// of access, which may stand on either side.
func (t *Telemetry) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return handler{t, next}
}

// Routed is mux for servers in which layers between [Telemetry.Handler] and the mux
// hand on copies of requests: it lets the span know the pattern that the mux found.
func Routed(mux http.Handler) http.Handler { return routed{mux} }

type routed struct{ mux http.Handler }

// ServeHTTP implements http.Handler.
func (h routed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mux.ServeHTTP(w, r)
	flow.NotePattern(r)
}

type handler struct {
	*Telemetry
	next http.Handler
}

// ServeHTTP implements http.Handler.
func (t handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, in := flow.EnsureServed(r)
	s := &serving{telemetry: t.Telemetry, flow: f, request: r, in: in}
	s.Context = t.propagator.extract(f.Context, r.Header)
	if id := in.Header[requestID]; len(id) > 0 {
		s.id = id[0]
	} else {
		s.id = newUUID()
		in = flow.OwnHeader(in)
		in.Header[requestID] = []string{s.id}
		s.in = in
	}
	if t.tracer != nil {
		s.begin()
	}
	f.Bound(s)
	if t.tracer == nil && t.metrics == nil {
		t.next.ServeHTTP(w, in)
		flow.HandBack(r, in)
		return
	}
	defer s.over()
	t.next.ServeHTTP(s.Wrap(w, s), in)
	flow.HandBack(r, in)
	s.returned = true
}

// serving is one request being served, and the context of its flow.
type serving struct {
	context.Context
	rw.Writer
	telemetry *Telemetry
	flow      *flow.Flow
	request   *http.Request // as it came
	in        *http.Request // as it is handed on
	id        string
	span      trace.Span // nil where there are none
	trace     mesh.Trace
	err       error // of a layer that refused the request
	returned  bool  // the handler did not panic
}

type servingKey struct{}

// Value implements context.Context.
func (s *serving) Value(key any) any {
	switch key.(type) {
	case servingKey:
		return s
	case flow.TraceKey:
		if s.span != nil {
			return &s.trace
		}
	}
	return s.Context.Value(key)
}

func (s *serving) begin() {
	r := s.request
	method := methodOf(r)
	// What samplers may want to know.
	attrs := appendMethod(make([]attribute.KeyValue, 0, 10), method, r)
	attrs = append(attrs, semconv.URLScheme(schemeOf(r)), semconv.URLPath(r.URL.Path))
	if r.URL.RawQuery != "" {
		attrs = append(attrs, semconv.URLQuery(redactedQuery(r.URL.RawQuery)))
	}
	if host, port := splitHostPort(r.Host); host != "" {
		attrs = append(attrs, semconv.ServerAddress(host))
		if port != 0 {
			attrs = append(attrs, semconv.ServerPort(port))
		}
	}
	if client := clientAddress(r); client != "" {
		attrs = append(attrs, semconv.ClientAddress(client))
	}
	if agent := r.UserAgent(); agent != "" {
		attrs = append(attrs, semconv.UserAgentOriginal(agent))
	}
	attrs = append(attrs, s.telemetry.attributes...)
	s.Context, s.span = s.telemetry.tracer.Start(s.Context, nameOf(method),
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(s.flow.Start), trace.WithAttributes(attrs...))
	s.trace = traceOf(s.span)
}

// BeforeHeader implements rw.Hooks.
func (s *serving) BeforeHeader(status int) int { return status }

// OnRefusal implements rw.RefusalHook.
func (s *serving) OnRefusal(err error) { s.err = err }

// over ends the span, and measures.
func (s *serving) over() {
	end := s.ending()
	if s.telemetry.metrics != nil {
		s.telemetry.metrics.server(s, end)
	}
	if s.span == nil {
		return
	}
	if s.span.IsRecording() {
		s.tell(end)
	}
	s.span.End()
}

// An ending is how a request that was served ended.
type ending struct {
	status int    // 0 if there is none
	kind   string // of the error; empty for none
	err    error
	route  string // of the mux, without method and host
}

func (s *serving) ending() ending {
	left := s.request.Context().Err() != nil && !s.Hijacked() && !s.complete()
	if s.returned && !left {
		s.Finish() // which is an empty 200 where nothing was written
	}
	e := ending{status: s.Status(), route: routeOf(s.pattern())}
	if s.Hijacked() && e.status == 0 {
		e.status = http.StatusSwitchingProtocols
	}
	switch {
	case left:
		e.err, e.kind = context.Cause(s.request.Context()), errorType(context.Canceled)
	case !s.returned && !s.Hijacked():
		e.err, e.kind = errPanic, "panic"
	case e.status < http.StatusInternalServerError:
	case s.err != nil:
		e.kind, e.err = errorType(s.err), s.err
	default:
		e.kind = strconv.Itoa(e.status)
	}
	return e
}

// complete reports whether the whole answer was written that its header tells of.
// Its caller may then leave before the handler returns.
func (s *serving) complete() bool {
	length, err := strconv.ParseInt(s.Header().Get("Content-Length"), 10, 64)
	return err == nil && s.Wrote() && s.Bytes() >= length
}

// tell puts into the span how the request ended.
func (s *serving) tell(e ending) {
	f, r := s.flow, s.request
	attrs := append(make([]attribute.KeyValue, 0, 12), keyRequestID.String(s.id))
	attrs = appendPeer(attrs, r.RemoteAddr)
	if v := protocolOf(r.ProtoMajor, r.ProtoMinor); v != "" {
		attrs = append(attrs, semconv.NetworkProtocolVersion(v))
	}
	if e.status != 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(e.status))
	}
	if e.route != "" {
		attrs = append(attrs, semconv.HTTPRoute(e.route))
		s.span.SetName(nameOf(methodOf(r)) + " " + e.route)
	}
	more := noted(f)
	flags, details := more.Flags, more.Details
	switch {
	case s.err != nil:
		flags, details = flags.With(mesh.FlagOf(s.err)), errorType(s.err)
	case e.err != nil && e.err != errPanic:
		flags, details = flags.With(mesh.ClientGone), e.kind
	}
	for _, one := range [...]struct {
		key   attribute.Key
		value string
	}{
		{keyRoute, f.Route}, {keySubset, f.Branch}, {keyFlags, string(flags.Without(mesh.Denied))}, {keyDetails, details},
	} {
		if one.value != "" {
			attrs = append(attrs, one.key.String(one.value))
		}
	}
	if len(more.Mirrors) > 0 {
		attrs = append(attrs, keyMirrors.StringSlice(more.Mirrors))
	}
	s.span.SetAttributes(attrs...)
	faults(s.span, f.Start, more.Faults)
	if e.kind != "" {
		fail(s.span, e.kind, e.err)
	}
}

// pattern is that of the mux that found the handler.
func (s *serving) pattern() string {
	if s.in.Pattern != "" {
		return s.in.Pattern
	}
	return s.flow.Pattern()
}

// routeOf is a pattern's path.
func routeOf(pattern string) string {
	if i := strings.IndexByte(pattern, '/'); i >= 0 {
		return pattern[i:]
	}
	return ""
}

func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}
