package access

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/body"
	"github.com/sidecarless/mesh/internal/flow"
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
	f, out := flow.Ensure(r)
	c := &call{sink: t.sink, flow: f, request: f.Request}
	if out.Body != nil && out.Body != http.NoBody {
		out = flow.Own(out)
		c.in.ReadCloser = out.Body
		out.Body = &c.in
	}
	res, err := t.next.RoundTrip(out)
	if res != nil && res.Request == out {
		res.Request = r
	}
	c.answered(res, err)
	if err != nil {
		c.BodyEnded(nil, nil)
		return nil, err
	}
	if res.Body != nil && res.Body != http.NoBody && res.StatusCode != http.StatusSwitchingProtocols {
		c.out.ReadCloser = res.Body
		res.Body = &c.out
	}
	body.OnEnd(res, nil, c, nil)
	return res, nil
}

// A call is one request on its way.
type call struct {
	sink    Sink
	flow    *flow.Flow
	request *http.Request
	res     *http.Response
	err     error
	waited  time.Duration
	in, out counted
}

// counted counts the bytes of a body.
type counted struct {
	io.ReadCloser
	n int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	return n, err
}

// Unwrap is the body inside.
func (c *counted) Unwrap() io.ReadCloser { return c.ReadCloser }

func (c *call) answered(res *http.Response, err error) {
	c.res, c.err = res, err
	if err == nil {
		c.err = mesh.ErrorOf(res)
		c.waited = time.Since(c.flow.Start) - c.flow.Delayed
	}
}

// BodyEnded implements body.Ender: the request is over.
func (c *call) BodyEnded(_ any, ended error) {
	f, r := c.flow, c.request
	rec := Record{
		Start: f.Start, Duration: time.Since(f.Start), Waited: c.waited,
		Method: r.Method, Host: hostOf(r), Path: pathOf(r), Protocol: protocolOf(r),
		Route: f.Route, Branch: f.Branch, Upstream: f.Upstream,
		Flags: f.Flags, Details: f.Details, Err: c.err,
		Received: c.in.n, Sent: c.out.n, Attempts: f.Attempts(),
		Tries: f.Tries, Faults: f.Faults, Mirrors: f.Mirrors, Request: r,
	}
	if t := f.Last(); t != nil {
		rec.Endpoint = t.Endpoint
	}
	if rec.Method == "" {
		rec.Method = http.MethodGet
	}
	if c.res != nil {
		rec.Status, rec.Header, rec.Trailer = c.res.StatusCode, c.res.Header, c.res.Trailer
	}
	if c.err != nil {
		e := mesh.AsError(c.err)
		rec.Flags, rec.Details = rec.Flags.With(e.Flag), e.Details
		rec.Waited = 0
		if e.Err != nil {
			rec.Failure = e.Err.Error()
		}
	} else if rec.Details == "" && c.res != nil {
		rec.Details = mesh.DetailsViaUpstream
	}
	if ended != nil && !errors.Is(ended, body.ErrClosed) {
		rec.cut(ended)
	}
	// A caller that left before the end is told from one that had enough by its
	// context.
	if f.Caller.Err() != nil && (c.res == nil || ended != nil) {
		rec.gone(c.res == nil)
	}
	// Envoy knows no flag for a refusal of access; the details tell it.
	rec.Flags = rec.Flags.Without(mesh.Denied)
	c.sink(context.WithoutCancel(f.Caller), rec)
}

// cut notes that the answer ended early.
func (r *Record) cut(err error) {
	e := mesh.AsError(err)
	flag := e.Flag
	r.Details = e.Details
	if !e.Timeout() {
		// Envoy's HTTP/1.1 codec calls an end of the stream inside a body an error of
		// the protocol.
		if errors.Is(err, io.ErrUnexpectedEOF) {
			flag = mesh.ProtocolError
		}
		r.Details = "upstream_reset_after_response_started{" + afterReason(flag) + "}"
	}
	r.Flags = r.Flags.With(flag)
	r.Failure = err.Error()
}

func afterReason(flag mesh.Flag) string {
	switch {
	case flag.Has(mesh.ProtocolError):
		return mesh.ReasonProtocolError
	case flag.Has(mesh.RemoteReset):
		return mesh.ReasonRemoteReset
	}
	return mesh.ReasonConnectionTermination
}

// gone notes that the caller went away.
func (r *Record) gone(unanswered bool) {
	r.Flags, r.Details = r.Flags.With(mesh.ClientGone), "downstream_remote_disconnect"
	if unanswered {
		r.Status = 0
	}
}

func hostOf(r *http.Request) string {
	if r.Host != "" || r.URL == nil {
		return r.Host
	}
	return r.URL.Host
}

// pathOf is the request's target as it came.
func pathOf(r *http.Request) string {
	if r.RequestURI != "" {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

func protocolOf(r *http.Request) string {
	switch r.ProtoMajor {
	case 2:
		return "HTTP/2"
	case 3:
		return "HTTP/3"
	}
	return "HTTP/1.1"
}
