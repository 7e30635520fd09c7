package meshtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long tests wait for what must happen, far beyond what it takes
// on a busy machine.
const patience = 15 * time.Second

// hangs is when a whole case is taken for one that does not end. Some have much to do,
// and a machine may be slow: only a layer that hangs makes a test wait for so long.
const hangs = 2 * time.Minute

// TestTransport holds a client layer against what callers and other layers rely
// on: the contract of http.RoundTripper (the request is not changed, its body is
// closed once on every path, never both a response and an error), the caller's
// context (values, deadline, cause of the end), and that bodies, trailers and
// upgrades go through as they come.
//
// The layer may repeat requests, refuse them, and answer some itself: what is
// said about the next layer is checked where it is reached. It is put around a
// RoundTripper of the test for each case, and is asked for http://svc.example/…;
// some of these requests fail, so a layer that learns from failures must be
// lenient enough. Each case is a subtest.
func TestTransport(t *testing.T, layer func(http.RoundTripper) http.RoundTripper) {
	t.Helper()
	for _, c := range transportContract {
		t.Run(c.name, func(t *testing.T) {
			k := &transportCheck{violations: violations{patience: patience}, layer: layer}
			k.run(hangs, func() { c.check(k) })
			k.close()
			k.report(t)
		})
	}
}

// violations collects what a check finds, from any goroutine.
type violations struct {
	patience time.Duration // for what must happen

	mu   sync.Mutex
	list []string
}

func (v *violations) failf(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.list = append(v.list, fmt.Sprintf(format, args...))
}

// run bounds a check, so that a layer that hangs or panics is told by name.
func (v *violations) run(most time.Duration, check func()) {
	if !ends(most, func() {
		defer func() {
			// A layer around a handler may break the connection in this way.
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				v.failf("the layer panicked: %v\n%s", p, debug.Stack())
			}
		}()
		check()
	}) {
		v.failf("the layer hangs")
	}
}

// within runs f and reports whether it has ended in time.
func (v *violations) within(f func()) bool { return ends(v.patience, f) }

// inTime waits for a channel to be closed, as long as there is patience.
func (v *violations) inTime(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-time.After(v.patience):
		return false
	}
}

// found is what was found so far. A layer that hangs may still be at work.
func (v *violations) found() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.list)
}

func (v *violations) report(t *testing.T) {
	t.Helper()
	for _, s := range v.found() {
		t.Error(s)
	}
}

// An inner is what the RoundTripper below the layer does. The request's body is
// closed for it.
type inner func(r *http.Request) (*http.Response, error)

// A transportCheck is one case at work.
type transportCheck struct {
	violations
	layer   func(http.RoundTripper) http.RoundTripper
	answers []*http.Response
}

// close closes all answers, as callers do: a layer may have something to end.
func (k *transportCheck) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, res := range k.answers {
		res.Body.Close()
	}
}

// A probe is the RoundTripper below the layer.
type probe struct {
	do      inner
	reached atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (p *probe) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	p.reached.Add(1)
	return p.do(r)
}

// A result is what the layer returned for a request.
type result struct {
	res     *http.Response
	err     error
	reached bool // whether the layer asked the one below
}

// finish reads the answer to its end and closes it.
func (g result) finish() (string, error) { return finish(g.res) }

// send gives a request to the layer and checks what holds for every result.
func (k *transportCheck) send(r *http.Request, do inner) (got result) {
	next := &probe{do: do}
	defer func() {
		if p := recover(); p != nil {
			k.failf("%s %s: the layer panicked: %v", r.Method, r.URL, p)
			got = result{err: errNoResult}
		}
		got.reached = next.reached.Load() > 0
	}()
	got.res, got.err = k.layer(next).RoundTrip(r)
	switch res := got.res; {
	case res != nil && got.err != nil:
		k.failf("%s %s: both a response (%s) and an error (%v)", r.Method, r.URL, res.Status, got.err)
	case res == nil && got.err == nil:
		k.failf("%s %s: neither a response nor an error", r.Method, r.URL)
		got.err = errNoResult
	case res != nil && res.Body == nil:
		k.failf("%s %s: a response without a body; http.NoBody stands for an empty one", r.Method, r.URL)
		res.Body = http.NoBody
	case res != nil && res.Header == nil:
		k.failf("%s %s: a response without a header map", r.Method, r.URL)
	}
	if got.res != nil {
		k.mu.Lock()
		k.answers = append(k.answers, got.res)
		k.mu.Unlock()
	}
	return got
}

// errNoResult stands for the result of a layer that gave none.
var errNoResult = errors.New("meshtest: no result")

// finish reads an answer to its end and closes it.
func finish(res *http.Response) (string, error) {
	if res == nil {
		return "", nil
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return string(data), err
}

// ends runs f and reports whether it has ended in time.
func ends(most time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
		return true
	case <-time.After(most):
		return false
	}
}

// answer is a plain answer of the inner RoundTripper.
func answer(r *http.Request, status int, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"X-Inner": {"yes"}}, Body: body, ContentLength: -1, Request: r,
	}
}

func text(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

// request is a caller's request with everything that a layer could spoil.
func request(ctx context.Context, method string, body io.ReadCloser) *http.Request {
	r, err := http.NewRequestWithContext(ctx, method, "http://svc.example/a%2Fb/c?q=1&q=2", nil)
	if err != nil {
		panic(err) // the method is a constant of the tests
	}
	r.Header = http.Header{
		"Accept":          {"text/plain", "*/*"},
		"X-Request-Id":    {"1"},
		"X-Forwarded-For": {"192.0.2.1"},
		"Cookie":          {"user=jason; session=abc"},
	}
	if body != nil {
		r.Body, r.ContentLength = body, -1
		r.Trailer = http.Header{"X-Sum": nil}
	}
	return r
}

// A snapshot is a request as it was.
type snapshot struct {
	r      *http.Request
	fields http.Request
	header http.Header
	url    string
}

func snap(r *http.Request) snapshot {
	s := snapshot{r: r, fields: *r, header: r.Header.Clone(), url: r.URL.String()}
	s.fields.Trailer = r.Trailer.Clone()
	return s
}

// changes lists the fields that are not as they were.
func (s snapshot) changes() []string {
	var list []string
	was, is := reflect.ValueOf(s.fields), reflect.ValueOf(*s.r)
	for i := range was.NumField() {
		name := was.Type().Field(i).Name
		switch name {
		case "GetBody", "Cancel": // functions and channels cannot be told apart well
			if was.Field(i).Pointer() != is.Field(i).Pointer() {
				list = append(list, name)
			}
		case "Body", "Response", "URL": // the same one, whatever it has come to hold
			if was.Field(i).Interface() != is.Field(i).Interface() {
				list = append(list, name)
			}
		case "Header":
			if !reflect.DeepEqual(s.header, s.r.Header) {
				list = append(list, fmt.Sprintf("Header (was %v, is %v)", s.header, s.r.Header))
			}
		case "ctx":
			if s.fields.Context() != s.r.Context() {
				list = append(list, "Context")
			}
		default:
			if f := was.Type().Field(i); f.IsExported() && !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
				list = append(list, fmt.Sprintf("%s (was %v, is %v)", name, was.Field(i), is.Field(i)))
			}
		}
	}
	if s.r.URL != nil && s.url != s.r.URL.String() {
		list = append(list, fmt.Sprintf("URL (was %s, is %s)", s.url, s.r.URL))
	}
	return list
}
