package otelmesh_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/telemetry/otelmesh"
)

// The IDs of the example in the W3C's recommendation of Trace Context.
const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
)

func TestATraceThatCameIsContinued(t *testing.T) {
	const other = "0af7651916cd43dd8448eb211c80319d"
	for name, c := range map[string]struct {
		header  map[string]string
		trace   string
		sampled bool
	}{
		"W3C":                    {map[string]string{"traceparent": "00-" + traceID + "-" + spanID + "-01"}, traceID, true},
		"W3C, not sampled":       {map[string]string{"traceparent": "00-" + traceID + "-" + spanID + "-00"}, traceID, false},
		"B3 in one header":       {map[string]string{"b3": traceID + "-" + spanID + "-1"}, traceID, true},
		"B3 of 64 bits":          {map[string]string{"b3": traceID[16:] + "-" + spanID + "-1"}, "0000000000000000" + traceID[16:], true},
		"B3 in one, not sampled": {map[string]string{"b3": traceID + "-" + spanID + "-0"}, traceID, false},
		"B3 in one, with parent": {map[string]string{"b3": traceID + "-" + spanID + "-d-05e3ac9a4f6e3b90"}, traceID, true},
		"B3 in several": {map[string]string{
			"x-b3-traceid": traceID, "x-b3-spanid": spanID, "x-b3-parentspanid": "05e3ac9a4f6e3b90", "x-b3-sampled": "1",
		}, traceID, true},
		"B3 in several, forced": {map[string]string{"x-b3-traceid": traceID, "x-b3-spanid": spanID, "x-b3-flags": "1"}, traceID, true},
		"W3C before B3": {map[string]string{
			"traceparent": "00-" + traceID + "-" + spanID + "-01", "b3": other + "-" + spanID + "-0",
		}, traceID, true},
		"B3 where W3C's is broken": {map[string]string{
			"traceparent": "00-nonsense-01", "b3": traceID + "-" + spanID + "-1",
		}, traceID, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpans(t)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			var seen trace.SpanContext
			s.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				seen = trace.SpanContextFromContext(r.Context())
			})).ServeHTTP(httptest.NewRecorder(), r)
			require.Equal(t, c.trace, seen.TraceID().String())
			require.NotEqual(t, spanID, seen.SpanID().String())
			require.Equal(t, c.sampled, seen.IsSampled())
			if !c.sampled {
				require.Empty(t, s.Ended())
				return
			}
			require.Equal(t, spanID, s.one(t).Parent().SpanID().String())
		})
	}
}

func TestNonsenseBeginsATraceOfItsOwn(t *testing.T) {
	s := newSpans(t)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("traceparent", "00-"+traceID+"-0000000000000000-01")
	r.Header.Set("b3", "?")
	s.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	require.False(t, s.one(t).Parent().IsValid())
}

// A call made while a request is served is a child of it, and says so in the
// headers of the format that is configured.
func TestCallsCarryTheTrace(t *testing.T) {
	for name, c := range map[string]struct {
		inject otelmesh.Format
		custom propagation.TextMapPropagator
		want   func(trace, span string) map[string]string
		absent []string
	}{
		"by W3C where nothing is said": {
			want: func(trace, span string) map[string]string {
				return map[string]string{"traceparent": "00-" + trace + "-" + span + "-01"}
			},
			absent: []string{"b3", "x-b3-traceid"},
		},
		"by B3 in one header": {
			inject: otelmesh.B3,
			want:   func(trace, span string) map[string]string { return map[string]string{"b3": trace + "-" + span + "-1"} },
			absent: []string{"traceparent", "x-b3-traceid"},
		},
		"by B3 in several": {
			inject: otelmesh.B3Multi,
			want: func(trace, span string) map[string]string {
				return map[string]string{"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": "1"}
			},
			absent: []string{"traceparent", "b3", "x-b3-parentspanid"},
		},
		"by all": {
			inject: otelmesh.W3C | otelmesh.B3 | otelmesh.B3Multi,
			want: func(trace, span string) map[string]string {
				return map[string]string{
					"traceparent": "00-" + trace + "-" + span + "-01", "b3": trace + "-" + span + "-1",
					"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": "1",
				}
			},
		},
		"by a propagator of one's own": {
			custom: propagation.TraceContext{},
			want: func(trace, span string) map[string]string {
				return map[string]string{"traceparent": "00-" + trace + "-" + span + "-01"}
			},
			absent: []string{"b3", "baggage"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpans(t, func(config *otelmesh.Config) { config.Inject, config.Propagator = c.inject, c.custom })
			server := meshtest.NewUpstream()
			client := mesh.Chain(s.Transport, s.Attempt)(server)
			s.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				member, err := baggage.NewMember("user", "jason")
				require.NoError(t, err)
				bag, err := baggage.New(member)
				require.NoError(t, err)
				out := get(t, "http://svc/").WithContext(baggage.ContextWithBaggage(r.Context(), bag))
				out.Header.Set("X-B3-Parentspanid", "05e3ac9a4f6e3b90") // as a proxy would copy it
				_, err = send(t, client, out)
				require.NoError(t, err)
				require.Empty(t, out.Header.Get("traceparent"), "the caller's header is its own")
			})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			require.Equal(t, `
server "GET" 200
  internal "mesh" 200 attempts=1
    client "GET" 200
`, "\n"+s.tree())
			attempt := s.Ended()[0].SpanContext()
			got := server.Requests()[0].Header
			for name, value := range c.want(attempt.TraceID().String(), attempt.SpanID().String()) {
				require.Equal(t, value, got.Get(name), name)
			}
			for _, name := range c.absent {
				require.Empty(t, got.Get(name), name)
			}
			if c.custom == nil {
				require.Equal(t, "user=jason", got.Get("baggage"))
			}
		})
	}
}

// A proxy that traces calls only has the trace in the headers that it copies.
func TestATraceInHeadersAloneIsContinued(t *testing.T) {
	s := newSpans(t)
	r := get(t, "http://svc/")
	r.Header.Set("b3", traceID+"-"+spanID+"-1")
	_, err := send(t, s.Transport(meshtest.NewUpstream()), r)
	require.NoError(t, err)
	require.Equal(t, spanID, s.one(t).Parent().SpanID().String())
}

// Without spans of its own a process passes on the trace that it is part of.
func TestATraceIsPassedOnWithoutSpans(t *testing.T) {
	off := mustNew(t, otelmesh.Config{Inject: otelmesh.W3C | otelmesh.B3})
	server := meshtest.NewUpstream()
	client := mesh.Chain(off.Transport, off.Attempt)(server)
	serving := off.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := send(t, client, get(t, "http://svc/").WithContext(r.Context()))
		require.NoError(t, err)
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("traceparent", "00-"+traceID+"-"+spanID+"-01")
	r.Header.Set("tracestate", "vendor=1")
	r.Header.Set("baggage", "user=jason")
	serving.ServeHTTP(httptest.NewRecorder(), r)
	serving.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))

	got := server.Requests()
	require.Equal(t, "00-"+traceID+"-"+spanID+"-01", got[0].Header.Get("traceparent"))
	require.Equal(t, traceID+"-"+spanID+"-1", got[0].Header.Get("b3"))
	require.Equal(t, "vendor=1", got[0].Header.Get("tracestate"))
	require.Equal(t, "user=jason", got[0].Header.Get("baggage"))
	require.NotContains(t, got[1].Header, "Traceparent")
	require.NotContains(t, got[1].Header, "B3", "which would say that nobody may begin a trace")
}

func TestTheRequestIDIsKeptOrMade(t *testing.T) {
	s := newSpans(t, func(c *otelmesh.Config) { c.Forward = []string{"end-user"} })
	server := meshtest.NewUpstream()
	client := mesh.Chain(s.Transport, s.Attempt)(server)
	var seen string
	h := s.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get("x-request-id")
		_, err := send(t, client, get(t, "http://svc/").WithContext(r.Context()))
		require.NoError(t, err)
	}))
	uuid := `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for k, v := range map[string]string{"x-request-id": "my-id", "x-cloud-trace-context": "cloud", "b3": "0", "end-user": "jason", "cookie": "a=b"} {
		r.Header.Set(k, v)
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
	got := server.Requests()[0].Header
	require.Equal(t, "my-id", seen)
	require.Equal(t, "my-id", got.Get("x-request-id"))
	require.Equal(t, "cloud", got.Get("x-cloud-trace-context"))
	require.Equal(t, "0", got.Get("b3"))
	require.Equal(t, "jason", got.Get("end-user"))
	require.NotContains(t, got, "Cookie")

	in := httptest.NewRequest(http.MethodGet, "/", nil)
	h.ServeHTTP(httptest.NewRecorder(), in)
	require.Regexp(t, uuid, seen)
	require.Empty(t, in.Header, "the server's header is its own")
	require.Equal(t, seen, server.Requests()[1].Header.Get("x-request-id"))

	_, err := send(t, client, get(t, "http://svc/"))
	require.NoError(t, err)
	require.Regexp(t, uuid, server.Requests()[2].Header.Get("x-request-id"))
	require.NotEqual(t, seen, server.Requests()[2].Header.Get("x-request-id"))

	own := get(t, "http://svc/")
	own.Header.Set("x-request-id", "another")
	_, err = send(t, client, own)
	require.NoError(t, err)
	require.Equal(t, "another", server.Requests()[3].Header.Get("x-request-id"))
	for _, one := range s.Ended() {
		if one.SpanKind() != trace.SpanKindClient {
			require.NotEmpty(t, attributes(one)["mesh.request_id"])
		}
	}
}

// The log of access names the trace, on whichever side of the layer it stands.
func TestTheLogOfAccessKnowsTheTrace(t *testing.T) {
	s := newSpans(t)
	var told []access.Record
	log := access.Sink(func(_ context.Context, r access.Record) { told = append(told, r) })
	for _, layers := range []func(http.RoundTripper) http.RoundTripper{
		mesh.Chain(log.Transport, s.Transport, s.Attempt),
		mesh.Chain(s.Transport, log.Transport, s.Attempt),
	} {
		s.Reset()
		_, err := send(t, layers(meshtest.NewUpstream()), get(t, "http://svc/"))
		require.NoError(t, err)
		parent := s.Ended()[0].Parent()
		last := told[len(told)-1].Trace
		require.Equal(t, parent.TraceID().String(), last.String())
		require.Equal(t, parent.SpanID().String(), last.SpanString())
		require.True(t, last.Sampled)
	}
	for _, h := range []http.Handler{log.Handler(s.Handler(http.NotFoundHandler())), s.Handler(log.Handler(http.NotFoundHandler()))} {
		s.Reset()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		require.Equal(t, s.one(t).SpanContext().SpanID().String(), told[len(told)-1].Trace.SpanString())
	}
}

func TestNothingIsToldOfWhatIsNotSampled(t *testing.T) {
	never := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	s := newSpans(t, func(c *otelmesh.Config) { c.Tracer = never })
	server := meshtest.NewUpstream()
	_, err := send(t, mesh.Chain(s.Transport, s.Attempt)(server), get(t, "http://svc/"))
	require.NoError(t, err)
	require.Empty(t, s.Started())
	require.Regexp(t, `^00-[0-9a-f]{32}-[0-9a-f]{16}-00$`, server.Requests()[0].Header.Get("traceparent"))
}
