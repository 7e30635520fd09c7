package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
)

// What is kept of a request is bounded: so much of a text, and so many attempts.
const (
	maxText     = 512
	maxAttempts = 16
)

// A decision is a request that has ended, copied: the record belongs to the
// request's layers, and its headers to the caller.
type decision struct {
	seq      uint64 // 1 is the first
	rec      access.Record
	attempts []attempt
	url      url.URL // as the client gave it
	headers  []field // those that rules read
	withheld bool    // some were not kept
	id       string  // x-request-id
	trace    access.Trace
}

// An attempt is one of a request.
type attempt struct {
	n                      int
	endpoint, failure, why string
	status                 int
	start                  time.Time
	took, waited           time.Duration
}

// A field is a header of a request.
type field struct{ name, value string }

// take copies a record. The memory is used again and again.
func (d *decision) take(seq uint64, rec *access.Record, reads *Reads) {
	d.seq, d.rec = seq, *rec
	r := &d.rec
	r.Host, r.Path, r.Failure = bounded(r.Host), keptQuery(bounded(r.Path), reads), bounded(r.Failure)
	d.attempts = d.attempts[:0]
	for i := range rec.Tries[:min(len(rec.Tries), maxAttempts-1)] {
		d.attempt(&rec.Tries[i])
	}
	if rec.Last.Endpoint != "" {
		d.attempt(&rec.Last)
		last := &d.attempts[len(d.attempts)-1]
		last.took, last.status, last.failure, last.why = lastTook(rec), r.Status, "", ""
		if rec.Err != nil {
			last.failure = bounded(rec.Err.Error())
		}
	}
	d.headers, d.withheld, d.id, d.url, d.trace = d.headers[:0], false, "", url.URL{}, access.Trace{}
	if q := rec.Request; q != nil {
		d.request(q, reads)
	}
	if rec.Trace != nil {
		d.trace = *rec.Trace
	}
	r.Err, r.Tries, r.Last, r.Request, r.Header, r.Trailer = nil, nil, mesh.Try{}, nil, nil, nil
	r.Peer, r.TLS, r.Trace = nil, nil, nil
}

func (d *decision) attempt(t *mesh.Try) {
	a := attempt{
		n: t.N, endpoint: t.Endpoint, status: t.Status, why: bounded(t.Why),
		start: t.Start, took: t.Duration, waited: t.Waited,
	}
	if t.Err != nil {
		a.failure = bounded(t.Err.Error())
	}
	d.attempts = append(d.attempts, a)
}

func (d *decision) request(q *http.Request, reads *Reads) {
	if q.URL != nil {
		d.url.Scheme, d.url.Host = q.URL.Scheme, bounded(q.URL.Host)
	}
	if id := q.Header["X-Request-Id"]; len(id) > 0 {
		d.id = bounded(id[0])
	}
	if reads == nil {
		return
	}
	for _, name := range reads.Headers {
		values := q.Header[name]
		switch {
		case len(values) == 0:
		case secret(name):
			d.withheld = true
		default:
			d.headers = append(d.headers, field{name, bounded(values[0])})
		}
	}
}

// asked is a request like the one that was decided, to have it explained.
func (d *decision) asked() *http.Request {
	target, err := url.ParseRequestURI(d.rec.Path)
	if err != nil {
		return nil
	}
	target.Scheme, target.Host = d.url.Scheme, d.url.Host
	if target.Host == "" {
		target.Host = d.rec.Host
	}
	if target.Scheme == "" {
		target.Scheme = "http"
	}
	r := &http.Request{Method: d.rec.Method, URL: target, Host: d.rec.Host, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	for _, h := range d.headers {
		r.Header[h.name] = []string{h.value}
	}
	return r
}

// bounded is s, or a copy of its beginning: a part of a long text would keep all
// of it.
func bounded(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.Clone(strings.ToValidUTF8(s[:maxText-3], "")) + "..."
}

// secretWords are in the names of headers and parameters whose values are not kept.
var secretWords = [...]string{
	"auth", "cookie", "token", "secret", "passw", "key", "session", "signature", "credential", "client-cert",
}

func secret(name string) bool {
	for _, word := range secretWords {
		for i := range len(name) - len(word) + 1 {
			if strings.EqualFold(name[i:i+len(word)], word) {
				return true
			}
		}
	}
	return false
}

// keptQuery leaves out the values of a query by which no rule chooses.
func keptQuery(target string, reads *Reads) string {
	path, query, found := strings.Cut(target, "?")
	if !found {
		return target
	}
	if reads == nil || len(reads.Queries) == 0 {
		return access.WithoutValues(target)
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, _, valued := strings.Cut(pair, "=")
		if valued && (secret(name) || !slices.Contains(reads.Queries, name)) {
			pairs[i] = name + "=*"
		}
	}
	return path + "?" + strings.Join(pairs, "&")
}

// failed reports whether nobody can be pleased with how a request ended. That its
// caller left says nothing.
func failed(r *access.Record) bool {
	if r.Flags.Has(mesh.ClientGone) {
		return false
	}
	return r.Status >= 500 || r.Status == 0 || r.Failure != ""
}

// lastTook is how long the last attempt took, to its last byte.
func lastTook(r *access.Record) time.Duration {
	if r.Last.Start.IsZero() {
		return r.Duration // it was the only one
	}
	return r.Start.Add(r.Duration).Sub(r.Last.Start)
}

// Sink notes a request that has ended. It is an [access.Sink].
func (c *Console) Sink(ctx context.Context, r access.Record) {
	now := r.Start.Add(r.Duration)
	bad := failed(&r)
	c.traffic.add(key{host: bounded(r.Host), route: r.Route, upstream: r.Upstream}, now, r.Duration, bad)
	for _, t := range r.Tries {
		if t.Endpoint != "" {
			at := key{upstream: r.Upstream, endpoint: t.Endpoint}
			c.traffic.add(at, now, t.Duration, t.Err != nil || t.Status >= 500)
		}
	}
	// What we refused ourselves says nothing of the endpoint that it would have got.
	if r.Last.Endpoint != "" && (r.Err == nil || mesh.OutcomeOf(ctx, nil, r.Err).Kind != mesh.Local) {
		c.traffic.add(key{upstream: r.Upstream, endpoint: r.Last.Endpoint}, now, lastTook(&r), bad)
	}
	if c.journal != nil {
		c.journal.add(&r, bad, c.reads())
	}
}
