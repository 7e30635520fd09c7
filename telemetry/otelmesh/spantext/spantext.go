package spantext

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// New makes a TracerProvider that writes every trace that is sampled to w. Options
// are those of the SDK. Its Shutdown writes what has not ended.
func New(w io.Writer, options ...sdktrace.TracerProviderOption) *sdktrace.TracerProvider {
	p := &processor{w: w, trees: map[trace.SpanID]*tree{}}
	return sdktrace.NewTracerProvider(append(options, sdktrace.WithSpanProcessor(p))...)
}

// A processor writes trees. One write is one tree.
type processor struct {
	mu    sync.Mutex
	w     io.Writer
	trees map[trace.SpanID]*tree // by each of their spans
}

// A tree is the spans of a trace that hang together in this process.
type tree struct {
	id    trace.TraceID
	spans []sdktrace.ReadOnlySpan // as they began
	open  int                     // spans that have not ended
}

// OnStart implements sdktrace.SpanProcessor.
func (p *processor) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.trees[s.Parent().SpanID()]
	if t == nil {
		t = &tree{id: s.SpanContext().TraceID()}
	}
	p.trees[s.SpanContext().SpanID()] = t
	t.spans = append(t.spans, s)
	t.open++
}

// OnEnd implements sdktrace.SpanProcessor.
func (p *processor) OnEnd(s sdktrace.ReadOnlySpan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.trees[s.SpanContext().SpanID()]; t != nil {
		if t.open--; t.open == 0 {
			p.write(t)
		}
	}
}

// ForceFlush implements sdktrace.SpanProcessor. What has ended was written.
func (*processor) ForceFlush(context.Context) error { return nil }

// Shutdown implements sdktrace.SpanProcessor.
func (p *processor) Shutdown(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.trees {
		p.write(t)
	}
	return nil
}

// write writes a tree and forgets it.
func (p *processor) write(t *tree) {
	var b strings.Builder
	fmt.Fprintf(&b, "trace %s\n", t.id)
	for _, s := range t.spans {
		if !t.has(s.Parent().SpanID()) {
			t.append(&b, s, "  ")
		}
	}
	for _, s := range t.spans {
		delete(p.trees, s.SpanContext().SpanID())
	}
	t.spans = nil
	io.WriteString(p.w, b.String()) // what cannot be written must not fail a request
}

func (t *tree) has(id trace.SpanID) bool {
	return slices.ContainsFunc(t.spans, func(s sdktrace.ReadOnlySpan) bool { return s.SpanContext().SpanID() == id })
}

// append writes s and what is below it.
func (t *tree) append(b *strings.Builder, s sdktrace.ReadOnlySpan, indent string) {
	b.WriteString(indent)
	line(b, s)
	for _, child := range t.spans {
		if child.Parent().SpanID() == s.SpanContext().SpanID() {
			t.append(b, child, indent+"  ")
		}
	}
}

// shown are the attributes that a line has besides kind and name, with their labels.
var shown = [...]struct{ key, label string }{
	{"http.response.status_code", ""}, {"mesh.cluster", "cluster="}, {"mesh.subset", "subset="}, {"mesh.endpoint", "endpoint="},
	{"mesh.lost", "lost="}, {"mesh.response_flags", "flags="}, {"mesh.response_code_details", "details="},
}

func line(b *strings.Builder, s sdktrace.ReadOnlySpan) {
	fmt.Fprintf(b, "%s %s", s.SpanKind(), s.Name())
	for _, one := range shown {
		for _, a := range s.Attributes() {
			if string(a.Key) == one.key {
				b.WriteString(" " + one.label + a.Value.String())
			}
		}
	}
	if s.Status().Code == codes.Error {
		b.WriteString(" error")
	}
	if end := s.EndTime(); end.IsZero() {
		b.WriteString(" not ended\n")
	} else {
		fmt.Fprintf(b, " %v\n", end.Sub(s.StartTime()).Round(time.Millisecond))
	}
}
