package otelmesh

import (
	"runtime/debug"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecarless/mesh/internal/check"
)

// scope is the name of the instrumentation.
const scope = "github.com/sidecarless/mesh/telemetry/otelmesh"

// A Config says where spans and metrics go. With its zero value there are none, and
// the trace of a request that is served is passed on to calls made for it.
type Config struct {
	// Tracer makes the spans; nil makes none.
	Tracer trace.TracerProvider

	// Meter measures http.client.request.duration for each attempt and
	// http.server.request.duration, with exemplars as the provider is set up for; nil
	// measures nothing.
	Meter metric.MeterProvider

	// Inject is how calls carry their trace; zero is W3C.
	Inject Format

	// Propagator reads and writes headers in place of Inject and of the formats that
	// are read; W3C Baggage is then its business as well.
	Propagator propagation.TextMapPropagator

	// Forward names further headers that a call takes over from the request being
	// served, unless it has them, such as end-user for rules that match it.
	Forward []string

	// Attributes are put on every span, such as istio.canonical_service where others
	// look for that.
	Attributes []attribute.KeyValue
}

// A Telemetry makes layers that tell OpenTelemetry of requests. It may be used by
// many goroutines. A nil one is off.
type Telemetry struct {
	tracer     trace.Tracer // nil: none
	metrics    *metrics     // nil: none
	propagator propagator
	forward    []string
	attributes []attribute.KeyValue
}

// New makes a Telemetry. The error lists every problem, with fields such as
// "otelmesh.Inject".
func New(c Config) (*Telemetry, error) {
	l := check.List{Prefix: "otelmesh"}
	if c.Inject&^(W3C|B3|B3Multi) != 0 {
		l.Add("Inject", c.Inject, "must be made of W3C, B3 and B3Multi")
	}
	if c.Inject != 0 && c.Propagator != nil {
		l.Add("Propagator", nil, "takes the place of Inject, which must then be zero")
	}
	for _, name := range c.Forward {
		if !isToken(name) {
			l.Add("Forward", name, "is no name of a header")
		}
	}
	t := &Telemetry{attributes: c.Attributes[:len(c.Attributes):len(c.Attributes)]}
	if c.Meter != nil {
		var err error
		t.metrics, err = newMetrics(c.Meter.Meter(scope, metric.WithInstrumentationVersion(version()), metric.WithSchemaURL(semconv.SchemaURL)))
		l.Include("Meter", err)
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	if c.Tracer != nil {
		t.tracer = c.Tracer.Tracer(scope, trace.WithInstrumentationVersion(version()), trace.WithSchemaURL(semconv.SchemaURL))
	}
	t.propagator, t.forward = propagatorOf(c), c.forwarded()
	return t, nil
}

// version is that of this module in the program.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/sidecarless/mesh/telemetry" {
				return m.Version
			}
		}
	}
	return ""
}

// isToken reports whether s can be the name of a header (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}
