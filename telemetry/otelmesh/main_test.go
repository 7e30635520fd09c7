package otelmesh_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecarless/mesh/internal/leak"
	"github.com/sidecarless/mesh/telemetry/otelmesh"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(childOf); address != "" {
		child(address)
		return
	}
	leak.Main(m)
}

// spans is a Telemetry whose spans a test can look at.
type spans struct {
	*otelmesh.Telemetry
	*tracetest.SpanRecorder
	provider *sdktrace.TracerProvider
}

func newSpans(t testing.TB, change ...func(*otelmesh.Config)) *spans {
	t.Helper()
	s := &spans{SpanRecorder: tracetest.NewSpanRecorder()}
	s.provider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.SpanRecorder))
	c := otelmesh.Config{Tracer: s.provider}
	for _, f := range change {
		f(&c)
	}
	s.Telemetry = mustNew(t, c)
	return s
}

func mustNew(t testing.TB, c otelmesh.Config) *otelmesh.Telemetry {
	t.Helper()
	made, err := otelmesh.New(c)
	require.NoError(t, err)
	return made
}

// one is the only span that has ended.
func (s *spans) one(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	all := s.Ended()
	require.Len(t, all, 1)
	return all[0]
}

// tree writes the spans that have ended, each below its parent and siblings in the
// order in which they began: kind, name, and what an operator looks for first.
func (s *spans) tree() string {
	all := s.Ended()
	slices.SortStableFunc(all, func(a, b sdktrace.ReadOnlySpan) int {
		return cmp.Or(a.StartTime().Compare(b.StartTime()), cmp.Compare(a.SpanKind(), b.SpanKind()), cmp.Compare(number(a), number(b)))
	})
	var b strings.Builder
	var write func(parent trace.SpanID, indent string)
	write = func(parent trace.SpanID, indent string) {
		for _, one := range all {
			known := slices.ContainsFunc(all, func(s sdktrace.ReadOnlySpan) bool {
				return s.SpanContext().SpanID() == one.Parent().SpanID()
			})
			if one.Parent().SpanID() == parent || !parent.IsValid() && !known {
				b.WriteString(indent + line(one) + "\n")
				write(one.SpanContext().SpanID(), indent+"  ")
			}
		}
	}
	write(trace.SpanID{}, "")
	return b.String()
}

func number(s sdktrace.ReadOnlySpan) int64 {
	v, _ := value(s, "mesh.attempt")
	return v.AsInt64()
}

// line is a span in one line, its error marked with "!".
func line(s sdktrace.ReadOnlySpan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q", s.SpanKind(), s.Name())
	for _, one := range [...]struct{ key, label string }{
		{"http.response.status_code", ""}, {"error.type", "error="}, {"http.request.resend_count", "resend="},
		{"mesh.lost", "lost="}, {"mesh.mirror", "mirror="}, {"mesh.attempts", "attempts="}, {"mesh.response_flags", "flags="},
	} {
		if v, ok := value(s, one.key); ok {
			b.WriteString(" " + one.label + v.String())
		}
	}
	if s.Status().Code == codes.Error {
		b.WriteString(" !")
	}
	for _, e := range s.Events() {
		b.WriteString(" +" + e.Name)
		for _, a := range e.Attributes {
			if a.Key == "mesh.reason" {
				reason, _, _ := strings.Cut(a.Value.AsString(), ":") // what follows is said elsewhere
				b.WriteString("(" + reason + ")")
			}
		}
	}
	return b.String()
}

func value(s sdktrace.ReadOnlySpan, key string) (attribute.Value, bool) {
	for _, a := range s.Attributes() {
		if string(a.Key) == key {
			return a.Value, true
		}
	}
	return attribute.Value{}, false
}

// attributes are those of a span as text, by their names.
func attributes(s sdktrace.ReadOnlySpan) map[string]string {
	all := map[string]string{}
	for _, a := range s.Attributes() {
		all[string(a.Key)] = a.Value.String()
	}
	return all
}

// How long something may take that happens on its own, and how often to look.
const (
	eventually = time.Minute
	pollEvery  = time.Millisecond
)

func get(t testing.TB, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	return r
}

// send sends a request and reads its answer to the end.
func send(t testing.TB, through http.RoundTripper, r *http.Request) (status int, err error) {
	t.Helper()
	res, err := through.RoundTrip(r)
	if err != nil {
		require.Nil(t, res)
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, res.Body.Close())
	return res.StatusCode, err
}

// roundTripper is a function as one.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// serve runs a server until the test ends, with a client that keeps no connection.
func serve(t testing.TB, h http.Handler) (url string, client *http.Transport) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	client = &http.Transport{DisableKeepAlives: true}
	return server.URL, client
}
