package main

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// A transport is a RoundTripper of a function.
type transport func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// An emptyBody has nothing to read, but is not http.NoBody: whoever has to know
// when it ends must wrap it.
type emptyBody struct{}

// Read implements io.Reader.
func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }

// Close implements io.Closer.
func (emptyBody) Close() error { return nil }

// errEnded is the error of a request whose context has ended.
var errEnded = errors.New("the context has ended")

var answerHeader = http.Header{"Content-Type": {"text/plain"}}

// answer is what a server would answer. Like a transport it looks at the context,
// which makes a context build its channel.
func answer(r *http.Request, status int) (*http.Response, error) {
	select {
	case <-r.Context().Done():
		return nil, errEnded
	default:
	}
	return &http.Response{StatusCode: status, Header: answerHeader, Body: emptyBody{}, ContentLength: -1, Request: r}, nil
}

// stub is at the end of every client stack.
var stub transport = func(r *http.Request) (*http.Response, error) { return answer(r, http.StatusOK) }

// failFirst fails every other time, so that each request needs a second attempt.
// One goroutine may use it.
func failFirst() transport {
	failed := false
	return func(r *http.Request) (*http.Response, error) {
		if failed = !failed; failed {
			return answer(r, http.StatusServiceUnavailable)
		}
		return answer(r, http.StatusOK)
	}
}

// request is what all stacks are asked to send.
func request(ctx context.Context) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://reviews.example/api/items/7", nil)
	must(err)
	for name, value := range map[string]string{
		"Accept": "application/json", "Accept-Language": "en", "User-Agent": "bench/1.0",
		"X-Request-Id": "6f1c1a52-6d9a-4a0f-8f0b-9a7a2f0d8f11", "X-User": "7", "Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	} {
		r.Header.Set(name, value)
	}
	return r
}

// send makes a loop of requests through a stack.
func send(ctx context.Context, stack http.RoundTripper) loop {
	r := request(ctx)
	return func(n int) {
		for range n {
			res, err := stack.RoundTrip(r)
			if err != nil {
				panic(err)
			}
			if res.StatusCode != http.StatusOK {
				panic(res.StatusCode)
			}
			res.Body.Close()
		}
	}
}

// must stops at a mistake in the benchmarks themselves.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// made is a value whose making must not fail.
func made[T any](v T, err error) T {
	must(err)
	return v
}
