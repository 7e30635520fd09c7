package journal

import (
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

// A Decision is a request that has ended, copied: the record belongs to the
// request's layers, and its headers to the caller.
type Decision struct {
	Seq    uint64 // 1 is the first
	Record access.Record

	attempts []attempt
	url      url.URL // as the client gave it
	headers  []field // those that rules read
	withheld bool    // some were not kept
	id       string  // x-request-id
	trace    mesh.Trace
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
func (d *Decision) take(seq uint64, rec *access.Record, reads *Reads) {
	d.Seq, d.Record = seq, *rec
	r := &d.Record
	r.Host, r.Path, r.Failure = Bounded(r.Host), keptQuery(Bounded(r.Path), reads), Bounded(r.Failure)
	d.attempts = d.attempts[:0]
	for i := range rec.Tries[:min(len(rec.Tries), maxAttempts-1)] {
		d.attempt(&rec.Tries[i])
	}
	if rec.Last.Endpoint != "" {
		d.attempt(&rec.Last)
		last := &d.attempts[len(d.attempts)-1]
		last.took, last.status, last.failure, last.why = LastTook(rec), r.Status, "", ""
		if rec.Err != nil {
			last.failure = Bounded(rec.Err.Error())
		}
	}
	d.headers, d.withheld, d.id, d.url, d.trace = d.headers[:0], false, "", url.URL{}, mesh.Trace{}
	if q := rec.Request; q != nil {
		d.request(q, reads)
	}
	if rec.Trace != nil {
		d.trace = *rec.Trace
	}
	r.Err, r.Tries, r.Last, r.Request, r.Header, r.Trailer = nil, nil, mesh.Try{}, nil, nil, nil
	r.Peer, r.TLS, r.Trace = nil, nil, nil
}

func (d *Decision) attempt(t *mesh.Try) {
	a := attempt{
		n: t.N, endpoint: t.Endpoint, status: t.Status, why: Bounded(t.Why),
		start: t.Start, took: t.Duration, waited: t.Waited,
	}
	if t.Err != nil {
		a.failure = Bounded(t.Err.Error())
	}
	d.attempts = append(d.attempts, a)
}

func (d *Decision) request(q *http.Request, reads *Reads) {
	if q.URL != nil {
		d.url.Scheme, d.url.Host = q.URL.Scheme, Bounded(q.URL.Host)
	}
	if id := q.Header["X-Request-Id"]; len(id) > 0 {
		d.id = Bounded(id[0])
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
			d.headers = append(d.headers, field{name, Bounded(values[0])})
		}
	}
}

// Asked is a request like the one that was decided, to have it explained.
func (d *Decision) Asked() *http.Request {
	target, err := url.ParseRequestURI(d.Record.Path)
	if err != nil {
		return nil
	}
	target.Scheme, target.Host = d.url.Scheme, d.url.Host
	if target.Host == "" {
		target.Host = d.Record.Host
	}
	if target.Scheme == "" {
		target.Scheme = "http"
	}
	r := &http.Request{Method: d.Record.Method, URL: target, Host: d.Record.Host, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	for _, h := range d.headers {
		r.Header[h.name] = []string{h.value}
	}
	return r
}

// Bounded is s, or a copy of its beginning: a part of a long text would keep all
// of it.
func Bounded(s string) string {
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

// Failed reports whether nobody can be pleased with how a request ended. That its
// caller left says nothing.
func Failed(r *access.Record) bool {
	if r.Flags.Has(mesh.ClientGone) {
		return false
	}
	return r.Status >= 500 || r.Status == 0 || r.Failure != ""
}

// LastTook is how long the last attempt took, to its last byte.
func LastTook(r *access.Record) time.Duration {
	if r.Last.Start.IsZero() {
		return r.Duration // it was the only one
	}
	return r.Start.Add(r.Duration).Sub(r.Last.Start)
}
