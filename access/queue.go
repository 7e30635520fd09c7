package access

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
)

// A Queue lets a slow sink take its time: requests put their Records there
// without waiting, and [Queue.Run] hands them on. What does not fit is dropped
// and counted.
type Queue struct {
	sink    Sink
	entries chan entry
	dropped atomic.Uint64
}

type entry struct {
	ctx context.Context
	rec Record
}

// NewQueue makes a Queue before s with room for size Records; 1024 if size is
// not positive. Its method [Queue.Sink] is the Sink for requests.
func NewQueue(size int, s Sink) *Queue {
	if size <= 0 {
		size = 1024
	}
	return &Queue{sink: s, entries: make(chan entry, size)}
}

// Sink puts r in the queue. The request and the headers are copied, since their
// owner may use them again.
func (q *Queue) Sink(ctx context.Context, r Record) {
	if len(q.entries) == cap(q.entries) { // no need to copy then
		q.dropped.Add(1)
		return
	}
	select {
	case q.entries <- entry{ctx, r.detached()}:
	default:
		q.dropped.Add(1)
	}
}

// Run hands on what is in the queue until ctx ends, and then what is still in
// it. It returns the cause of the end. What comes later waits for another Run.
func (q *Queue) Run(ctx context.Context) error {
	for {
		select {
		case e := <-q.entries:
			q.sink(e.ctx, e.rec)
		case <-ctx.Done():
			for {
				select {
				case e := <-q.entries:
					q.sink(e.ctx, e.rec)
				default:
					return context.Cause(ctx)
				}
			}
		}
	}
}

// Dropped is how many Records did not fit since the Queue was made.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// detached is r with copies of what belongs to the caller. The bodies are gone.
func (r Record) detached() Record {
	if r.Request != nil {
		copied := r.Request.WithContext(r.Request.Context())
		copied.Header, copied.Trailer, copied.Body = r.Request.Header.Clone(), nil, http.NoBody
		if r.Request.URL != nil {
			copied.URL = new(url.URL)
			*copied.URL = *r.Request.URL
		}
		r.Request = copied
	}
	r.Header, r.Trailer = r.Header.Clone(), r.Trailer.Clone()
	return r
}
