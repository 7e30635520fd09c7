package otelmesh

import (
	"context"
	"errors"
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

// Attempt is a client layer around attempts: each is a CLIENT span that the server
// learns of, and is measured. It belongs inside of whatever repeats requests and
// chooses their endpoints: it is made for [upstream.Config.Attempt].
//
// [upstream.Config.Attempt]: https://pkg.go.dev/github.com/sidecarless/mesh/upstream#Config
func (t *Telemetry) Attempt(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return attempts{t, next}
}

type attempts struct {
	*Telemetry
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t attempts) RoundTrip(r *http.Request) (*http.Response, error) {
	try := flow.TryOf(r)
	if try != nil {
		try.Begin() // where no balancer has done so
	}
	out := flow.OwnHeader(r)
	ctx := r.Context()
	spans := t.tracer != nil && !ignored(ctx)
	if !spans && t.metrics == nil {
		t.propagator.inject(ctx, out.Header)
		return t.send(out, r)
	}
	a := &attempt{metrics: t.metrics, try: try, request: ctx, method: methodOf(r), place: placeOf(r), start: time.Now()}
	if spans {
		ctx = t.attempt(a, r)
		if a.span.IsRecording() {
			out = out.WithContext(ctx) // for layers inside that ask for the span
		}
	}
	a.ctx = ctx
	t.propagator.inject(ctx, out.Header)
	res, err := t.send(out, r)
	if err != nil {
		a.over(nil, err)
		return nil, err
	}
	a.res = res
	slot := &a.slot
	if try != nil {
		slot = &try.Body
	}
	body.OnEnd(res, slot, a)
	return res, nil
}

// send sends out in place of r.
func (t attempts) send(out, r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(out)
	if res != nil {
		failed.Rename(res, out, r)
	}
	return res, err
}

// ignored reports whether the span of the request itself is not recorded. Those of
// its attempts would not be either.
func ignored(ctx context.Context) bool {
	span := trace.SpanFromContext(ctx)
	s := span.SpanContext()
	return s.IsValid() && !s.IsRemote() && !s.IsSampled() && !span.IsRecording()
}

// attempt begins the span of an attempt.
func (t *Telemetry) attempt(a *attempt, r *http.Request) context.Context {
	attrs := appendMethod(make([]attribute.KeyValue, 0, 12), a.method, r)
	attrs = appendPlace(attrs, a.place, r.URL)
	if try := a.try; try != nil {
		attrs = append(attrs, keyAttempt.Int(int(try.N)))
		if endpoint := try.Endpoint(); endpoint != "" {
			attrs = append(attrs, keyEndpoint.String(endpoint))
			attrs = appendPeer(attrs, endpoint)
		}
		if try.N > 1 {
			attrs = append(attrs, semconv.HTTPRequestResendCount(int(try.N)-1))
		}
	}
	attrs = append(attrs, t.attributes...)
	ctx := r.Context()
	kind, name := trace.WithSpanKind(trace.SpanKindClient), nameOf(a.method)
	if !flow.IsCopy(ctx) {
		ctx, a.span = t.tracer.Start(ctx, name, kind, trace.WithAttributes(attrs...))
		return ctx
	}
	// Nobody waits for its answer, which must not lengthen the trace of the request.
	attrs = append(attrs, keyMirror.Bool(true))
	ctx, a.span = t.tracer.Start(ctx, name, kind, trace.WithAttributes(attrs...), trace.WithNewRoot(), trace.WithLinks(trace.LinkFromContext(ctx)))
	return ctx
}

// An attempt is one on its way.
type attempt struct {
	metrics *metrics
	try     *flow.Try       // nil without a record
	request context.Context // of the attempt, without its span
	ctx     context.Context // with it
	span    trace.Span      // nil where there is none
	start   time.Time
	method  string
	place   place
	res     *http.Response
	slot    body.Body
}

// BodyEnded implements body.Ender: the attempt is over.
func (a *attempt) BodyEnded(err error) {
	a.over(a.res, shortfall(a.request, err))
}

// over ends the span, and measures.
func (a *attempt) over(res *http.Response, err error) {
	kind, status, protocol := "", 0, ""
	if res != nil {
		status, protocol = res.StatusCode, protocolOf(res.ProtoMajor, res.ProtoMinor)
	}
	lost := a.lost()
	switch {
	case lost && err != nil:
		kind = "lost"
	case err != nil:
		kind = errorType(err)
	case status >= http.StatusBadRequest:
		kind = strconv.Itoa(status)
	}
	if a.metrics != nil {
		a.metrics.client(a, status, protocol, kind)
	}
	if a.span == nil {
		return
	}
	if a.span.IsRecording() {
		if status != 0 {
			a.span.SetAttributes(semconv.HTTPResponseStatusCode(status))
		}
		if protocol != "" {
			a.span.SetAttributes(semconv.NetworkProtocolVersion(protocol))
		}
		switch {
		case lost:
			a.span.SetAttributes(keyLost.Bool(true))
		case kind != "":
			fail(a.span, kind, err)
		}
		if flag := mesh.FlagOf(err); flag != "" && !lost {
			a.span.SetAttributes(keyFlags.String(string(flag)))
		}
	}
	a.span.End()
}

// lost reports whether the attempt was ended because another one was faster: it was
// cancelled, but neither by a bound of ours nor by the caller.
func (a *attempt) lost() bool {
	cause := context.Cause(a.request)
	if a.try == nil || cause == nil {
		return false
	}
	_, bound := cause.(*mesh.Error)
	return !bound && !errors.Is(cause, context.Cause(a.try.Flow.Caller()))
}
