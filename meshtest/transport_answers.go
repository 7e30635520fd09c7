package meshtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

func errorFound(k *transportCheck) {
	got := k.send(request(context.Background(), "GET", nil), func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("wrapped: %w", errInner)
	})
	got.finish()
	if got.reached && got.err != nil && !errors.Is(got.err, errInner) {
		k.failf("the next layer failed and the caller got %v; errors.Is does not find its error", got.err)
	}
}

func responseBody(k *transportCheck) {
	var last *watchedBody
	got := k.send(request(context.Background(), "GET", nil), func(r *http.Request) (*http.Response, error) {
		last = watched("the answer")
		return answer(r, 200, last), nil
	})
	if !got.reached {
		got.finish()
		return
	}
	if got.err != nil {
		k.failf("the next layer answered and the caller got %v", got.err)
		return
	}
	data, err := io.ReadAll(got.res.Body)
	if string(data) != "the answer" || err != nil {
		k.failf("the body reads %q, %v", data, err)
	}
	for _, nth := range []string{"first", "second"} {
		if err := got.res.Body.Close(); err != nil {
			k.failf("the %s Close returns %v", nth, err)
		}
	}
	if last.closes.Load() == 0 {
		k.failf("the body of the next layer was not closed")
	}
}

func responseClosedEarly(k *transportCheck) {
	var last *watchedBody
	got := k.send(request(context.Background(), "GET", nil), func(r *http.Request) (*http.Response, error) {
		last = watched(strings.Repeat("x", 1<<20))
		return answer(r, 200, last), nil
	})
	if got.res == nil || !got.reached {
		return
	}
	io.CopyN(io.Discard, got.res.Body, 10) // judged by other cases
	got.res.Body.Close()
	if !k.inTime(last.closed) {
		k.failf("closing the answer does not close the body of the next layer")
	}
}

func upgrade(k *transportCheck) {
	below := &duplexBody{Reader: strings.NewReader("from server")}
	r := request(context.Background(), "GET", nil)
	r.Header["Connection"], r.Header["Upgrade"] = []string{"upgrade"}, []string{"echo"}
	got := k.send(r, func(r *http.Request) (*http.Response, error) {
		return answer(r, http.StatusSwitchingProtocols, below), nil
	})
	if got.res == nil || !got.reached {
		return
	}
	rw, ok := got.res.Body.(io.ReadWriteCloser)
	if !ok {
		k.failf("the body of a 101 is a %T, which cannot be written to", got.res.Body)
		return
	}
	io.WriteString(rw, "from client") // seen by what arrives
	if below.got() != "from client" {
		k.failf("what the caller writes to an upgraded connection arrives as %q", below.got())
	}
	if got, _ := io.ReadAll(rw); string(got) != "from server" {
		k.failf("what the server writes to an upgraded connection arrives as %q", got)
	}
	if rw.Close(); !below.closed.Load() {
		k.failf("closing an upgraded connection does not close it below")
	}
}

func trailers(k *transportCheck) {
	got := k.send(request(context.Background(), "GET", nil), func(r *http.Request) (*http.Response, error) {
		res := answer(r, 200, nil)
		res.Trailer = http.Header{"X-Late": nil}
		rest := strings.NewReader("body")
		res.Body = readFunc(func(p []byte) (int, error) {
			n, err := rest.Read(p)
			if err == io.EOF {
				res.Trailer["X-Late"] = []string{"value"}
				res.Trailer["X-Unannounced"] = []string{"value"}
			}
			return n, err
		})
		return res, nil
	})
	if got.res == nil || !got.reached {
		return
	}
	got.finish()
	for _, name := range []string{"X-Late", "X-Unannounced"} {
		if got.res.Trailer.Get(name) != "value" {
			k.failf("the trailer %s is lost: %v", name, got.res.Trailer)
		}
	}
}

func responseStreams(k *transportCheck) {
	const event1, event2 = "data: 1\n\n", "data: 2\n\n"
	pr, pw := io.Pipe()
	first := make(chan struct{})
	var server sync.WaitGroup
	got := k.send(request(context.Background(), "GET", nil), func(r *http.Request) (*http.Response, error) {
		server.Go(func() {
			defer pw.Close()
			io.WriteString(pw, event1) // ends with the reader
			if !k.inTime(first) {
				k.failf("the caller does not get an event before the answer has ended")
				return
			}
			io.WriteString(pw, event2) // ends with the reader
		})
		res := answer(r, 200, pr)
		res.Header.Set("Content-Type", "text/event-stream")
		return res, nil
	})
	if got.res != nil && got.reached {
		buf := make([]byte, len(event1))
		if _, err := io.ReadFull(got.res.Body, buf); string(buf) != event1 {
			k.failf("the caller reads %q, %v; the server wrote %q", buf, err, event1)
		}
	}
	close(first)
	if rest, err := got.finish(); got.res != nil && got.reached && rest != event2 {
		k.failf("the caller reads %q, %v; the server wrote %q", rest, err, event2)
	}
	pr.Close()
	server.Wait()
}
