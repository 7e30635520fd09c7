package access_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/internal/flow"
)

// The example of the W3C's recommendation of Trace Context.
var theTrace = &mesh.Trace{
	ID:      [16]byte{0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c},
	Span:    [8]byte{0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31},
	Sampled: true,
}

func traced(ctx context.Context) context.Context {
	return context.WithValue(ctx, flow.TraceKey{}, theTrace)
}

type tracing struct{ next http.RoundTripper }

func (t tracing) RoundTrip(r *http.Request) (*http.Response, error) {
	f, r := flow.Ensure(r)
	f.Bound(traced(f.Context))
	return t.next.RoundTrip(r)
}

// logs are sinks that write the trace in all the ways there are.
func logs(t *testing.T) (access.Sink, func() string) {
	var text, attrs bytes.Buffer
	envoy, err := access.Envoy(&text, "%TRACE_ID% %SPAN_ID%\n")
	require.NoError(t, err)
	structured := access.Slog(slog.New(slog.NewTextHandler(&attrs, nil)))
	check := func(ctx context.Context, r access.Record) {
		require.Same(t, r.Trace, flow.TraceOf(ctx))
		require.Equal(t, r.Trace != nil, bytes.Contains(attrs.Bytes(), []byte(" trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331")))
		attrs.Reset()
	}
	return access.Join(envoy, structured, check), text.String
}

const written = "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331\n"

func TestTheTraceOfACallIsTold(t *testing.T) {
	sink, log := logs(t)
	answer := http.RoundTripper(bare(200))
	for _, layers := range []http.RoundTripper{
		mesh.Chain(sink.Transport, func(next http.RoundTripper) http.RoundTripper { return tracing{next} })(answer),
		tracing{sink.Transport(answer)},
		sink.Transport(answer),
	} {
		res, err := layers.RoundTrip(httptest.NewRequest(http.MethodGet, "http://svc/", nil))
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
	}
	require.Equal(t, written+written+"- -\n", log())
}

func TestTheTraceOfAServedRequestIsTold(t *testing.T) {
	sink, log := logs(t)
	inner := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		f, _ := flow.EnsureServed(r)
		f.Bound(traced(f.Context))
	})
	sink.Handler(inner).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, written, log())
}

type bare int

func (a bare) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: int(a), Header: http.Header{}, Body: http.NoBody}, nil
}
