package access

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// note notes what the layers know of a request that is over.
func (r *Record) note(f *flow.Flow, asked *http.Request) {
	r.Start, r.Duration = f.Start, time.Since(f.Start)
	r.Method, r.Host, r.Path, r.Protocol = asked.Method, hostOf(asked), pathOf(asked), protocolOf(asked)
	chosen, last := f.Chosen()
	r.Route, r.Branch, r.Upstream = chosen.Route, chosen.Branch, chosen.Upstream
	r.Drawn, r.DrawnOf = chosen.Drawn, chosen.DrawnOf
	r.Attempts, r.Peer, r.Trace, r.Request = f.Attempts(), f.Peer(), flow.TraceOf(f.Context), asked
	if m := f.More; m != nil {
		// Envoy knows no flag for a refusal of access; the details tell it.
		r.Flags, r.Details = m.Flags.Without(mesh.Denied), m.Details
		r.Tries, r.Faults, r.Mirrors, r.Remote = m.History(), m.Faults, m.Mirrors, m.Remote
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if last != nil {
		r.tried(last)
	}
}

// tried notes the attempt that counts.
func (r *Record) tried(t *flow.Try) {
	r.Endpoint = t.Endpoint()
	r.Last = mesh.Try{N: int(t.N), Endpoint: r.Endpoint, Start: t.Start()}
	if t.Told != nil {
		r.Last.Waited = t.Told.Waited
	}
	r.Tries = slices.DeleteFunc(r.Tries, func(told mesh.Try) bool { return told.N == r.Last.N })
}

// fail notes the error for which there was no answer of a server.
func (r *Record) fail(err error) {
	e := mesh.AsError(err)
	r.Err, r.Flags, r.Details = err, r.Flags.With(e.Flag).Without(mesh.Denied), e.Details
	if r.Status == 0 {
		r.Status = e.Status
	}
	if e.Err != nil {
		r.Failure = e.Err.Error()
	}
}

// viaUpstream notes that a server answered, unless a layer knows better.
func (r *Record) viaUpstream() {
	if r.Details == "" {
		r.Details = mesh.DetailsViaUpstream
	}
}

// gone notes that the caller went away.
func (r *Record) gone() {
	r.Flags, r.Details = r.Flags.With(mesh.ClientGone), "downstream_remote_disconnect"
}

// cut notes that the answer ended early.
func (r *Record) cut(err error) {
	e := mesh.AsError(err)
	flag := e.Flag
	r.Details = e.Details
	if !flag.Has(mesh.UpstreamTimeout) {
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
	switch {
	case r.ProtoMajor == 2:
		return "HTTP/2"
	case r.ProtoMajor == 3:
		return "HTTP/3"
	case r.ProtoMajor == 1 && r.ProtoMinor == 0:
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// An endless context has the values of another and no end. It lies in the state of
// a request, where [context.WithoutCancel] would be one more allocation.
type endless struct{ context.Context }

// Deadline implements context.Context.
func (*endless) Deadline() (deadline time.Time, ok bool) { return }

// Done implements context.Context.
func (*endless) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (*endless) Err() error { return nil }

// counted counts the bytes of a body. A server may have answered while the
// request's body is still being sent.
type counted struct {
	io.ReadCloser
	n atomic.Int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// Unwrap is the body inside.
func (c *counted) Unwrap() io.ReadCloser { return c.ReadCloser }
