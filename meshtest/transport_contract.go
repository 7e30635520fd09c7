package meshtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// transportContract is what [TestTransport] checks, case by case.
var transportContract = []struct {
	name  string
	check func(*transportCheck)
}{
	{"the caller's request is not changed", requestUntouched},
	{"the body is closed exactly once whatever happens", bodyClosedOnce},
	{"a request without a body is taken", noBody},
	{"a request without a header map does not panic", nilHeader},
	{"values and deadline of the caller's context reach the next layer", contextReaches},
	{"the cause of a cancel is kept while waiting for the answer", causeWhileWaiting},
	{"the cause of a cancel is kept while reading the answer", causeWhileReading},
	{"a context that has ended ends the request", contextEnded},
	{"an error of the next layer is found by errors.Is", errorFound},
	{"an answer's body reads to its end and closes twice", responseBody},
	{"an answer closed early is closed below", responseClosedEarly},
	{"an upgraded connection keeps both directions", upgrade},
	{"trailers are there at the end of the body", trailers},
	{"the request's body streams", requestStreams},
	{"the answer's body streams", responseStreams},
	{"a body is not read before the server wants it", expectContinue},
	{"a panic of the next layer passes", panicPasses},
	{"requests at the same time do not mix", concurrent},
}

func requestUntouched(k *transportCheck) {
	replayable := request(context.Background(), "PUT", text("payload"))
	replayable.GetBody = func() (io.ReadCloser, error) { return text("payload"), nil }
	outcomes := map[string]inner{
		"answered": func(r *http.Request) (*http.Response, error) {
			readAll(r)
			return answer(r, 200, text("ok")), nil
		},
		"failing": func(*http.Request) (*http.Response, error) { return nil, errInner },
	}
	for outcome, do := range outcomes {
		for _, r := range []*http.Request{
			request(context.Background(), "GET", nil),
			request(context.Background(), "POST", text("payload")),
			request(context.Background(), "DELETE", http.NoBody),
			replayable,
		} {
			before := snap(r)
			got := k.send(r, do)
			got.finish()
			for _, what := range before.changes() {
				k.failf("%s %s: the request's %s was changed", outcome, r.Method, what)
			}
		}
	}
}

// errInner is how the inner RoundTripper fails.
var errInner = errors.New("meshtest: the next layer failed")

func readAll(r *http.Request) string {
	if r.Body == nil {
		return ""
	}
	data, _ := io.ReadAll(r.Body)
	return string(data)
}

func bodyClosedOnce(k *transportCheck) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	tests := map[string]struct {
		ctx context.Context
		do  inner
	}{
		"read and answered": {context.Background(), func(r *http.Request) (*http.Response, error) {
			readAll(r)
			return answer(r, 200, text("ok")), nil
		}},
		"answered unread": {context.Background(), func(r *http.Request) (*http.Response, error) {
			return answer(r, 200, text("ok")), nil
		}},
		"failed unread": {context.Background(), func(*http.Request) (*http.Response, error) { return nil, errInner }},
		"failed halfway": {context.Background(), func(r *http.Request) (*http.Response, error) {
			io.CopyN(io.Discard, r.Body, 3) // the failure is the point
			return nil, errInner
		}},
		"ended before": {ended, func(r *http.Request) (*http.Response, error) { return nil, context.Cause(r.Context()) }},
	}
	for name, tt := range tests {
		body := watched("payload")
		got := k.send(request(tt.ctx, "POST", body), tt.do)
		got.finish()
		if !k.inTime(body.closed) {
			k.failf("%s: the request's body was never closed", name)
			continue
		}
		if n := body.closes.Load(); n != 1 {
			k.failf("%s: the request's body was closed %d times", name, n)
		}
	}
}

func noBody(k *transportCheck) {
	for name, body := range map[string]io.ReadCloser{"nil": nil, "http.NoBody": http.NoBody} {
		r := request(context.Background(), "GET", nil)
		r.Body = body
		k.send(r, func(r *http.Request) (*http.Response, error) {
			if got := readAll(r); got != "" {
				k.failf("%s: the next layer reads %q", name, got)
			}
			return answer(r, 204, http.NoBody), nil
		}).finish() // judged by other cases
	}
}

func nilHeader(k *transportCheck) {
	r := request(context.Background(), "GET", nil)
	r.Header = nil
	got := k.send(r, func(r *http.Request) (*http.Response, error) { return answer(r, 200, text("ok")), nil })
	got.finish()
	if r.Header != nil {
		k.failf("the caller's request was given a header map")
	}
}

func contextReaches(k *transportCheck) {
	type key struct{}
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(context.WithValue(context.Background(), key{}, "value"), deadline)
	defer cancel()
	got := k.send(request(ctx, "GET", nil), func(r *http.Request) (*http.Response, error) {
		if r.Context().Value(key{}) != "value" {
			k.failf("a value of the caller's context is not visible below")
		}
		if d, ok := r.Context().Deadline(); !ok || d.After(deadline) {
			k.failf("the caller's deadline is not visible below (%v, %v)", d, ok)
		}
		return answer(r, 200, text("ok")), nil
	})
	got.finish()
}

// errCause is why the caller gives up.
var errCause = errors.New("meshtest: the caller gave up")

func causeWhileWaiting(k *transportCheck) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var got result
	if !k.within(func() {
		got = k.send(request(ctx, "GET", nil), func(r *http.Request) (*http.Response, error) {
			cancel(errCause)
			select {
			case <-r.Context().Done():
				return nil, context.Cause(r.Context())
			case <-time.After(k.patience):
				k.failf("the end of the caller's context does not reach the next layer")
				return nil, errInner
			}
		})
	}) {
		k.failf("the end of the caller's context does not end the request")
		return
	}
	got.finish()
	if got.reached && !errors.Is(got.err, errCause) {
		k.failf("the caller gave up and got (%v, %v); errors.Is does not find the cause", got.res, got.err)
	}
}

func causeWhileReading(k *transportCheck) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	got := k.send(request(ctx, "GET", nil), func(r *http.Request) (*http.Response, error) {
		return answer(r, 200, readFunc(func([]byte) (int, error) {
			select {
			case <-r.Context().Done():
				return 0, context.Cause(r.Context())
			case <-time.After(k.patience):
				return 0, errInner
			}
		})), nil
	})
	if got.res == nil || !got.reached {
		return
	}
	cancel(errCause)
	if _, err := got.finish(); !errors.Is(err, errCause) {
		k.failf("the caller gave up while reading and got %v; errors.Is does not find the cause", err)
	}
}

func contextEnded(k *transportCheck) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errCause)
	got := k.send(request(ctx, "GET", nil), func(r *http.Request) (*http.Response, error) {
		if r.Context().Err() == nil {
			k.failf("the next layer gets a context that has not ended")
		}
		return nil, context.Cause(r.Context())
	})
	got.finish()
	if (got.reached || errors.Is(got.err, context.Canceled)) && !errors.Is(got.err, errCause) {
		k.failf("the request of a caller who gave up before got (%v, %v); errors.Is does not find the cause", got.res, got.err)
	}
}

func requestStreams(k *transportCheck) {
	pr, pw := io.Pipe()
	first := make(chan struct{})
	var once sync.Once
	writer := make(chan struct{})
	go func() {
		defer close(writer)
		pw.Write(make([]byte, 4096)) // ends with the reader
		if k.inTime(first) {
			pw.Write([]byte("rest")) // ends with the reader
		}
		pw.Close()
	}()
	got := k.send(request(context.Background(), "POST", pr), func(r *http.Request) (*http.Response, error) {
		if _, err := io.ReadFull(r.Body, make([]byte, 4096)); err == nil {
			once.Do(func() { close(first) })
		}
		if got := readAll(r); got != "rest" {
			k.failf("the body does not stream: after its first part, the next layer reads %q of what is written then", got)
		}
		return answer(r, 200, text("ok")), nil
	})
	got.finish()
	pr.Close()
	once.Do(func() { close(first) })
	<-writer
}

func expectContinue(k *transportCheck) {
	body := watched("payload")
	r := request(context.Background(), "POST", body)
	r.Header["Expect"] = []string{"100-continue"}
	got := k.send(r, func(r *http.Request) (*http.Response, error) {
		if body.reads.Load() > 0 {
			k.failf("the body was read although the server has not sent 100 Continue")
		}
		return answer(r, http.StatusExpectationFailed, text("no")), nil
	})
	got.finish()
	if got.reached && body.reads.Load() > 0 {
		k.failf("the body was read although the server refused it")
	}
}

func panicPasses(k *transportCheck) {
	type bug struct{}
	reached := false
	defer func() {
		if p := recover(); reached && p != (bug{}) {
			k.failf("a panic of the next layer reaches the caller as %v", p)
		}
	}()
	res, _ := k.layer(&probe{do: func(*http.Request) (*http.Response, error) {
		reached = true
		panic(bug{})
	}}).RoundTrip(request(context.Background(), "GET", nil))
	finish(res) // an answer of the layer
}

func concurrent(k *transportCheck) {
	var wg sync.WaitGroup
	next := &probe{do: func(r *http.Request) (*http.Response, error) {
		return answer(r, 200, text(r.Header.Get("X-Request-Id")+readAll(r))), nil
	}}
	transport := k.layer(next)
	for i := range 32 {
		wg.Go(func() {
			id := fmt.Sprint(i)
			r := request(context.Background(), "POST", text(" and "+id))
			r.Header.Set("X-Request-Id", id)
			res, err := transport.RoundTrip(r)
			if err != nil || res.Header.Get("X-Inner") == "" {
				finish(res) // an answer of the layer
				return
			}
			if got, _ := finish(res); got != id+" and "+id {
				k.failf("request %s got the answer %q", id, got)
			}
		})
	}
	wg.Wait()
}
