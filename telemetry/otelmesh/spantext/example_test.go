package spantext_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecarless/mesh/telemetry/otelmesh/spantext"
)

// A program gives the provider to otelmesh.Config.Tracer, which makes the spans that
// are made by hand here.
func Example() {
	provider := spantext.New(os.Stdout, sdktrace.WithIDGenerator(new(counting)))
	tracer := provider.Tracer("example")
	start := time.Now()
	at := func(ms int) trace.SpanEventOption {
		return trace.WithTimestamp(start.Add(time.Duration(ms) * time.Millisecond))
	}

	ctx, served := tracer.Start(context.Background(), "GET /productpage", trace.WithSpanKind(trace.SpanKindServer), at(0))
	_, sent := tracer.Start(ctx, "GET", trace.WithSpanKind(trace.SpanKindClient), at(1))
	sent.SetAttributes(attribute.Int("http.response.status_code", 200), attribute.String("mesh.endpoint", "10.0.0.7:9080"))
	sent.End(at(9))
	served.End(at(14))
	// Output:
	// trace 00000000000000000000000000000001
	//   server GET /productpage 14ms
	//     client GET 200 endpoint=10.0.0.7:9080 8ms
}

// A span that never ends keeps its tree from being written: a body that is not closed,
// say. Shutdown writes such trees, and says what has not ended.
func ExampleNew_mistake() {
	provider := spantext.New(os.Stdout, sdktrace.WithIDGenerator(new(counting)))
	provider.Tracer("example").Start(context.Background(), "GET", trace.WithSpanKind(trace.SpanKindClient))
	fmt.Println("nothing so far")
	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// nothing so far
	// trace 00000000000000000000000000000001
	//   client GET not ended
}

// counting makes IDs that are the same each time.
type counting struct{ last byte }

// NewIDs implements sdktrace.IDGenerator.
func (c *counting) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id := trace.TraceID{15: c.last + 1}
	return id, c.NewSpanID(ctx, id)
}

// NewSpanID implements sdktrace.IDGenerator.
func (c *counting) NewSpanID(context.Context, trace.TraceID) trace.SpanID {
	c.last++
	return trace.SpanID{7: c.last}
}
