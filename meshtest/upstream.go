package meshtest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Reply is one answer of a scripted [Upstream]. The zero Reply is an empty 200.
type Reply struct {
	Status  int           // zero is 200
	Header  http.Header   // may be nil
	Body    string        // not sent in answer to HEAD
	Trailer http.Header   // there once the body has been read to its end; may be nil
	Delay   time.Duration // sleeps before it answers; free inside a synctest bubble
	Err     error         // fails with this instead of answering
}

// An Upstream is a server for tests: an http.RoundTripper that answers by a
// script. It may be used by many goroutines at once.
type Upstream struct {
	mu       sync.Mutex
	replies  []Reply
	next     int
	requests []*http.Request
}

// NewUpstream is a server that gives the replies in order and then repeats the
// last one; without any it answers with an empty 200.
func NewUpstream(replies ...Reply) *Upstream {
	if len(replies) == 0 {
		replies = []Reply{{}}
	}
	return &Upstream{replies: replies}
}

// Requests are the requests that have come in so far, in their order, as copies
// that the test may change. A body can be read again, and the context is that
// of the request.
func (u *Upstream) Requests() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]*http.Request, len(u.requests))
	for i, r := range u.requests {
		all[i] = r.Clone(r.Context())
		if r.GetBody != nil {
			all[i].Body, _ = r.GetBody() // of our own making, it does not fail
		}
	}
	return all
}

// RoundTrip reads the request to its end, notes it, and gives the next reply of
// the script. As with a real server, the end of the request's context ends the
// wait and the reading of the answer with the context's cause.
func (u *Upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if ctx.Err() != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, context.Cause(ctx)
	}
	seen, err := received(r)
	if err != nil {
		return nil, err
	}
	reply := u.take(seen)
	if reply.Delay > 0 {
		timer := time.NewTimer(reply.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if reply.Err != nil {
		return nil, reply.Err
	}
	return reply.response(r), nil
}

// take notes a request and gives the reply that is due.
func (u *Upstream) take(r *http.Request) Reply {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requests = append(u.requests, r)
	reply := u.replies[u.next]
	if u.next < len(u.replies)-1 {
		u.next++
	}
	return reply
}

// received is a copy of a request that was read to its end.
func received(r *http.Request) (*http.Request, error) {
	seen := r.Clone(r.Context())
	seen.Body, seen.GetBody = nil, nil
	if r.Body == nil || r.Body == http.NoBody {
		seen.Body = r.Body
		return seen, nil
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	seen.Trailer = r.Trailer.Clone() // filled in by now
	seen.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	return seen, nil
}

func (p Reply) response(r *http.Request) *http.Response {
	status := p.Status
	if status == 0 {
		status = http.StatusOK
	}
	res := &http.Response{
		Status:        strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        p.Header.Clone(),
		ContentLength: int64(len(p.Body)),
		Request:       r,
		Body:          http.NoBody,
	}
	if res.Header == nil {
		res.Header = make(http.Header)
	}
	for name := range p.Trailer {
		if res.Trailer == nil {
			res.Trailer = make(http.Header, len(p.Trailer))
			res.ContentLength = -1 // a trailer needs chunks
		}
		res.Trailer[name] = nil
	}
	if r.Method != http.MethodHead && (p.Body != "" || p.Trailer != nil) {
		res.Body = &replyBody{ctx: r.Context(), rest: strings.NewReader(p.Body), res: res, trailer: p.Trailer}
	}
	return res
}

// replyBody is the body of an answer, which ends with the request's context.
type replyBody struct {
	ctx     context.Context
	rest    *strings.Reader
	res     *http.Response
	trailer http.Header
}

// Read implements io.Reader.
func (b *replyBody) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	n, err := b.rest.Read(p)
	if err == io.EOF {
		for name, values := range b.trailer {
			b.res.Trailer[name] = values
		}
	}
	return n, err
}

// Close implements io.Closer.
func (b *replyBody) Close() error {
	b.rest.Reset("")
	return nil
}
