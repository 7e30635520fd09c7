package spantext_test

import (
	"bytes"
	"context"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecarless/mesh/internal/leak"
	"github.com/sidecarless/mesh/telemetry/otelmesh/spantext"
)

func TestMain(m *testing.M) { leak.Main(m) }

// noID hides what is random.
var noID = regexp.MustCompile(`[0-9a-f]{32}`)

func TestATreeIsWrittenWhenItsLastSpanHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w bytes.Buffer
		provider := spantext.New(&w)
		tracer := provider.Tracer("test")
		ctx, root := tracer.Start(t.Context(), "GET /", trace.WithSpanKind(trace.SpanKindServer))
		_, early := tracer.Start(ctx, "GET", trace.WithSpanKind(trace.SpanKindClient))
		time.Sleep(3 * time.Millisecond)
		early.SetAttributes(attribute.Int("http.response.status_code", 503), attribute.String("mesh.endpoint", "10.0.0.1:80"))
		early.SetStatus(codes.Error, "")
		early.End()
		_, late := tracer.Start(ctx, "GET", trace.WithSpanKind(trace.SpanKindClient))
		// The other side is in this process, too, and knows its parent from a header.
		parent := trace.ContextWithRemoteSpanContext(t.Context(), late.SpanContext())
		_, there := tracer.Start(parent, "GET /b", trace.WithSpanKind(trace.SpanKindServer))
		time.Sleep(2 * time.Millisecond)
		there.End()
		root.End()
		require.Empty(t, w.String())
		late.End()
		require.Equal(t, `trace ID
  server GET / 5ms
    client GET 503 endpoint=10.0.0.1:80 error 3ms
    client GET 2ms
      server GET /b 2ms
`, noID.ReplaceAllString(w.String(), "ID"))
		w.Reset()
		require.NoError(t, provider.Shutdown(context.Background()))
		require.Empty(t, w.String())
	})
}

func TestShutdownWritesWhatHasNotEnded(t *testing.T) {
	var w bytes.Buffer
	provider := spantext.New(&w)
	_, span := provider.Tracer("test").Start(t.Context(), "upgrade")
	require.NoError(t, provider.Shutdown(context.Background()))
	require.Equal(t, "trace ID\n  internal upgrade not ended\n", noID.ReplaceAllString(w.String(), "ID"))
	span.End()
}
