package access

import (
	"net/http"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/body"
	"github.com/sidecarless/mesh/internal/failed"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/grpc"
)

// Transport is a client layer that tells s of each request. It belongs outside
// of all others.
func (s Sink) Transport(next http.RoundTripper) http.RoundTripper {
	if s == nil {
		return next
	}
	return transport{s, next}
}

type transport struct {
	sink Sink
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	f, out, c := flow.EnsureWith[call](r)
	c.sink, c.flow = t.sink, f
	if out.Body != nil && out.Body != http.NoBody {
		out = flow.Own(out)
		c.in.ReadCloser = counting(out.Body, grpc.Is(r.Header))
		out.Body = &c.in
	}
	res, err := t.next.RoundTrip(out)
	if res != nil {
		failed.Rename(res, out, r)
	}
	c.answered(res, err)
	if err != nil {
		c.BodyEnded(nil)
		return nil, err
	}
	if c.in.ReadCloser != nil && res.Body != nil && res.Body != http.NoBody && res.StatusCode != http.StatusSwitchingProtocols && grpc.Is(res.Header) {
		c.messages = &messageReader{ReadCloser: res.Body}
		res.Body = c.messages
	}
	c.body = body.OnEnd(res, &f.First.Body, c)
	return res, nil
}

// A call is one request on its way.
type call struct {
	sink     Sink
	flow     *flow.Flow
	res      *http.Response
	err      error
	waited   time.Duration
	in       counted
	body     *body.Body     // of the answer; nil if it has none
	messages *messageReader // the answer's, of a call of gRPC
	ctx      endless
}

func (c *call) answered(res *http.Response, err error) {
	c.res, c.err = res, err
	if err == nil {
		c.err = mesh.ErrorOf(res)
		c.waited = time.Since(c.flow.Start)
		if m := c.flow.More; m != nil {
			c.waited -= m.Delayed
		}
	}
}

// BodyEnded implements body.Ender: the request is over.
func (c *call) BodyEnded(ended error) {
	f := c.flow
	var rec Record
	rec.note(f, f.Request)
	rec.Waited = c.waited
	rec.Received = c.in.n.Load()
	if c.body != nil && c.res.StatusCode != http.StatusSwitchingProtocols {
		rec.Sent = c.body.Bytes()
	}
	rec.RequestMessages = messagesOf(c.in.ReadCloser)
	if c.messages != nil {
		rec.ResponseMessages = c.messages.n.Load()
	}
	if c.res != nil {
		rec.Status, rec.Header, rec.Trailer, rec.TLS = c.res.StatusCode, c.res.Header, c.res.Trailer, c.res.TLS
	}
	switch {
	case c.res == nil && mesh.OutcomeOf(f.Caller(), nil, c.err).Kind == mesh.Neutral:
		// A caller's own context ends a request with any kind of error.
		rec.gone()
		rec.Err = c.err
	case c.err != nil:
		rec.fail(c.err)
		rec.Waited = 0
	case ended == nil || ended == body.ErrClosed && f.Caller().Err() == nil:
		// A caller may close a body that it does not care for.
		rec.viaUpstream()
	case f.Caller().Err() != nil:
		rec.gone()
	default:
		rec.cut(ended)
	}
	c.ctx.Context = f.Context
	c.sink(&c.ctx, rec)
}
