package otelmesh

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// A Format is a set of headers that carry a trace. Several can be joined: W3C|B3.
type Format uint8

const (
	W3C     Format = 1 << iota // traceparent and tracestate
	B3                         // b3
	B3Multi                    // x-b3-traceid, x-b3-spanid, x-b3-sampled
)

// A propagator reads and writes headers.
type propagator struct {
	custom propagation.TextMapPropagator // in place of all others; may be nil
	b3     propagation.TextMapPropagator // reads both forms
	out    propagation.TextMapPropagator
	stale  []string // headers that would contradict what is written
}

func propagatorOf(c Config) propagator {
	if c.Propagator != nil {
		return propagator{custom: c.Propagator}
	}
	if c.Inject == 0 {
		c.Inject = W3C
	}
	p := propagator{b3: b3.New()}
	var out []propagation.TextMapPropagator
	if c.Inject&W3C != 0 {
		out = append(out, propagation.TraceContext{})
	}
	if c.Inject&B3 != 0 {
		out = append(out, b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)))
	}
	if c.Inject&B3Multi != 0 {
		out = append(out, b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)))
	}
	if c.Inject&(B3|B3Multi) != 0 {
		p.stale = b3Headers[:]
	}
	if p.out = out[0]; len(out) > 1 {
		p.out = propagation.NewCompositeTextMapPropagator(out...)
	}
	return p
}

// extract is ctx with what the headers say. What comes later wins.
func (p *propagator) extract(ctx context.Context, h http.Header) context.Context {
	carrier := propagation.HeaderCarrier(h)
	if p.custom != nil {
		return p.custom.Extract(ctx, carrier)
	}
	if len(h["B3"]) > 0 || len(h["X-B3-Traceid"]) > 0 {
		ctx = p.b3.Extract(ctx, carrier)
	}
	if len(h["Traceparent"]) > 0 {
		ctx = propagation.TraceContext{}.Extract(ctx, carrier)
	}
	if len(h["Baggage"]) > 0 {
		ctx = propagation.Baggage{}.Extract(ctx, carrier)
	}
	return ctx
}

// inject writes what ctx knows into the headers.
func (p *propagator) inject(ctx context.Context, h http.Header) {
	carrier := propagation.HeaderCarrier(h)
	if p.custom != nil {
		p.custom.Inject(ctx, carrier)
		return
	}
	propagation.Baggage{}.Inject(ctx, carrier)
	// Without a trace B3 would say that the next one must not begin one.
	if trace.SpanContextFromContext(ctx).IsValid() {
		for _, name := range p.stale {
			delete(h, name)
		}
		p.out.Inject(ctx, carrier)
	}
}

var b3Headers = [...]string{"B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags"}

// passedOn are headers of other tracers that Istio asks applications to pass on.
var passedOn = [...]string{
	"X-Ot-Span-Context", "X-Cloud-Trace-Context", "Grpc-Trace-Bin", "Sw8",
	"X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Sampling-Priority",
}

// forwarded are the headers, as header maps have them, that a call takes over from
// the request being served. Headers of B3 are among them only while calls do not
// carry their own.
func (c *Config) forwarded() []string {
	all := slices.Clone(passedOn[:])
	if c.Inject&(B3|B3Multi) == 0 {
		all = append(all, b3Headers[:]...)
	}
	for _, name := range c.Forward {
		all = append(all, http.CanonicalHeaderKey(name))
	}
	if c.Propagator != nil {
		own := c.Propagator.Fields()
		all = slices.DeleteFunc(all, func(name string) bool {
			return slices.ContainsFunc(own, func(field string) bool { return strings.EqualFold(field, name) })
		})
	}
	return all
}

// requestID is Envoy's header for it.
const requestID = "X-Request-Id"

// carry gives a call what it takes over from the request that is being served in
// ctx, if there is one, and an ID in any case.
func (t *Telemetry) carry(ctx context.Context, h http.Header) (id string) {
	s, _ := ctx.Value(servingKey{}).(*serving)
	if s != nil {
		for _, name := range t.forward {
			if v := s.request.Header[name]; len(v) > 0 && len(h[name]) == 0 {
				h[name] = v
			}
		}
	}
	if v := h[requestID]; len(v) > 0 {
		return v[0]
	}
	if s != nil {
		id = s.id
	} else {
		id = newUUID()
	}
	h[requestID] = []string{id}
	return id
}
