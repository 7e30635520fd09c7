package otelmesh

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/body"
	"github.com/sidecarless/mesh/internal/failed"
	"github.com/sidecarless/mesh/internal/flow"
)

// Transport is a client layer around requests: each is an INTERNAL span, in which
// the attempts of [Telemetry.Attempt] are. It belongs outside of all other layers,
// but for the log of access, which may stand on either side. It is [Telemetry.Attempt]
// inside that tells servers of the trace.
func (t *Telemetry) Transport(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return transport{t, next}
}

type transport struct {
	*Telemetry
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	f, out := flow.Ensure(r)
	out = flow.OwnHeader(out)
	id := t.carry(f.Context, out.Header)
	var c *call
	if t.tracer != nil {
		c = t.begin(f, out, id)
	}
	res, err := t.next.RoundTrip(out)
	if res != nil {
		failed.Rename(res, out, r)
	}
	switch {
	case c == nil:
	case err != nil:
		c.failed(err)
	default:
		c.res = res
		body.OnEnd(res, &c.slot, c)
	}
	return res, err
}

// A call is a request on its way. It is the context of its flow, which knows the
// span.
type call struct {
	context.Context
	span  trace.Span
	trace mesh.Trace
	flow  *flow.Flow
	res   *http.Response
	slot  body.Body
}

// Value implements context.Context.
func (c *call) Value(key any) any {
	if key == (flow.TraceKey{}) {
		return &c.trace
	}
	return c.Context.Value(key)
}

// begin begins the span of a request.
func (t *Telemetry) begin(f *flow.Flow, r *http.Request, id string) *call {
	ctx := f.Context
	if !trace.SpanContextFromContext(ctx).IsValid() {
		// A proxy's request may have its trace in headers alone.
		ctx = t.propagator.extract(ctx, r.Header)
	}
	c := &call{flow: f}
	attrs := appendMethod(make([]attribute.KeyValue, 0, 8), methodOf(r), r)
	attrs = appendPlace(attrs, placeOf(r), r.URL)
	attrs = append(attrs, keyRequestID.String(id))
	attrs = append(attrs, t.attributes...)
	c.Context, c.span = t.tracer.Start(ctx, "mesh", trace.WithTimestamp(f.Start), trace.WithAttributes(attrs...))
	c.trace = traceOf(c.span)
	f.Bound(c)
	return c
}

// traceOf names the trace of a span to layers that do not know OpenTelemetry.
func traceOf(span trace.Span) mesh.Trace {
	s := span.SpanContext()
	return mesh.Trace{ID: s.TraceID(), Span: s.SpanID(), Sampled: s.IsSampled()}
}

// BodyEnded implements body.Ender: the request is over.
func (c *call) BodyEnded(err error) {
	if !c.span.IsRecording() {
		c.span.End()
		return
	}
	status := c.res.StatusCode
	c.span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	failure := mesh.ErrorOf(c.res) // of a layer that answered with a reply
	if failure == nil {
		failure = shortfall(c.Context, err)
	}
	if failure == nil && status >= http.StatusBadRequest {
		fail(c.span, strconv.Itoa(status), nil)
	}
	c.end(failure)
}

// shortfall is why an answer's body did not come as far as its reader wanted; nil
// if it did. The body is that of a request with the context ctx.
func shortfall(ctx context.Context, ended error) error {
	switch {
	case ended == nil, ended == body.ErrClosed && ctx.Err() == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return ended
}

// failed ends the span of a request without an answer.
func (c *call) failed(err error) {
	if !c.span.IsRecording() {
		c.span.End()
		return
	}
	c.end(err)
}

// end tells what the layers noted, and the failure if there was one.
func (c *call) end(failure error) {
	f, span := c.flow, c.span
	more := noted(f)
	flags, details := more.Flags, more.Details
	if failure != nil {
		flags, details = flags.With(mesh.FlagOf(failure)), errorType(failure)
		fail(span, details, failure)
	}
	attrs := make([]attribute.KeyValue, 0, 8)
	told := func(key attribute.Key, value string) {
		if value != "" {
			attrs = append(attrs, key.String(value))
		}
	}
	chosen, last := f.Chosen()
	if chosen.Route != "" {
		span.SetName("mesh " + chosen.Route)
	}
	told(keyRoute, chosen.Route)
	told(keyCluster, chosen.Upstream)
	told(keySubset, chosen.Branch)
	told(keyFlags, string(flags.Without(mesh.Denied)))
	told(keyDetails, details)
	if last != nil {
		told(keyEndpoint, last.Endpoint())
	}
	if len(more.Mirrors) > 0 {
		attrs = append(attrs, keyMirrors.StringSlice(more.Mirrors))
	}
	span.SetAttributes(append(attrs, keyAttempts.Int(f.Attempts()))...)
	faults(span, f.Start, more.Faults)
	c.retries(more)
	span.End()
}

// noted is what few requests have.
func noted(f *flow.Flow) *flow.More {
	if f.More == nil {
		return new(flow.More)
	}
	return f.More
}

// faults tells of those that were injected.
func faults(span trace.Span, start time.Time, all []string) {
	for _, fault := range all {
		span.AddEvent(eventFault, trace.WithTimestamp(start), trace.WithAttributes(keyReason.String(fault)))
	}
}

// retries tells of attempts that others followed.
func (c *call) retries(more *flow.More) {
	last := c.flow.Last()
	for _, try := range more.History() {
		if try.Why == "" || last != nil && try.N == int(last.N) {
			continue
		}
		c.span.AddEvent(eventRetry, trace.WithTimestamp(try.Start.Add(try.Duration)), trace.WithAttributes(
			keyAttempt.Int(try.N), keyEndpoint.String(try.Endpoint), keyReason.String(try.Why)))
	}
}
