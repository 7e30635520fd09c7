package meshtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"strings"
	"sync"
	"time"
)

// handlerContract is what [TestHandler] checks, case by case.
var handlerContract = []struct {
	name  string
	over  []string
	check func(*handlerCheck)
}{
	{"the ResponseWriter has exactly the abilities of the one below", []string{direct}, abilitiesKept},
	{"the ResponseWriter of a server keeps its abilities", []string{http1, http2}, serverAbilitiesKept},
	{"answers are as without the layer", []string{http1, http2}, answersUnchanged},
	{"the request is not changed", []string{http1, http2}, servedRequestUntouched},
	{"events reach the caller when they are flushed", []string{http1, http2}, eventsFlushed},
	{"the caller's body streams to the handler", []string{http1, http2}, uploadStreams},
	{"a handler may answer while it reads", []string{http1, http2}, fullDuplex},
	{"a body is not asked for before the handler reads it", []string{http1, http2}, expectContinueServed},
	{"early hints reach the caller", []string{http1, http2}, earlyHints},
	{"trailers reach the caller, announced or not", []string{http1, http2}, trailersServed},
	{"a hijacked connection is the handler's", []string{http1}, hijack},
	{"what is read from a reader arrives whole", []string{http1, http2}, readFrom},
	{"a panic passes, and an aborted answer is cut", []string{http1, http2}, abort},
	{"values of the server's context reach the handler", []string{direct}, servedContext},
	{"the handler learns that the caller has gone", []string{http1, http2}, callerGone},
}

func serverAbilitiesKept(k *handlerCheck) {
	seen := func(s *site, got *map[string]bool) {
		if res := k.ask(context.Background(), s, "GET", nil, nil); res != nil {
			finish(res) // judged by other cases
		}
		if !s.reached.Load() {
			*got = nil
		}
	}
	var want, got map[string]bool
	seen(k.without(func(w http.ResponseWriter, _ *http.Request) { want = abilities(w) }), &want)
	seen(k.with(func(w http.ResponseWriter, _ *http.Request) { got = abilities(w) }), &got)
	if got != nil && !maps.Equal(want, got) {
		k.failf("the handler's ResponseWriter can %v, the server's can %v", got, want)
	}
}

// abilities is what can be found out about a ResponseWriter, by type assertions
// and by a ResponseController.
func abilities(w http.ResponseWriter) map[string]bool {
	can := make(map[string]bool)
	_, can["flush"] = w.(http.Flusher)
	_, can["hijack"] = w.(http.Hijacker)
	_, can["read from"] = w.(io.ReaderFrom)
	_, can["push"] = w.(http.Pusher)
	rc := http.NewResponseController(w)
	can["be flushed by a controller"] = rc.Flush() == nil
	can["have a read deadline"] = rc.SetReadDeadline(time.Now().Add(time.Hour)) == nil
	can["have a write deadline"] = rc.SetWriteDeadline(time.Now().Add(time.Hour)) == nil
	can["go full duplex"] = rc.EnableFullDuplex() == nil
	return can
}

func answersUnchanged(k *handlerCheck) {
	handlers := map[string]http.HandlerFunc{
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"HTML":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html><body>") },
		"404":     func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"204":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"304":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
		"with lengths": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			w.Write([]byte("ok"))
		},
		"two values": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["X-Two"] = []string{"a", "b"}
			w.WriteHeader(201)
		},
	}
	h := func(w http.ResponseWriter, r *http.Request) { handlers[r.Header.Get("X-Handler")](w, r) }
	with, without := k.with(h), k.without(h)
	for name := range handlers {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			with.reached.Store(false)
			header := http.Header{"X-Handler": {name}}
			got := k.ask(context.Background(), with, method, nil, header)
			want := k.ask(context.Background(), without, method, nil, header)
			gotBody, _ := finish(got)
			wantBody, _ := finish(want)
			if !with.reached.Load() || want == nil {
				continue
			}
			if got == nil {
				k.failf("%s %s: there is no answer", method, name)
				continue
			}
			got.Header.Del("Date")
			want.Header.Del("Date")
			if got.StatusCode != want.StatusCode || gotBody != wantBody || !reflect.DeepEqual(got.Header, want.Header) || got.ContentLength != want.ContentLength {
				k.failf("%s %s: the answer is %d %v %q, and without the layer %d %v %q", method, name,
					got.StatusCode, got.Header, gotBody, want.StatusCode, want.Header, wantBody)
			}
		}
	}
}

func servedRequestUntouched(k *handlerCheck) {
	var changes []string
	handler := func(w http.ResponseWriter, r *http.Request) { readAll(r) }
	outer := func(next http.Handler) http.Handler {
		layered := k.layer(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			before := snap(r)
			layered.ServeHTTP(w, r)
			changes = before.changes()
		})
	}
	res := k.ask(context.Background(), k.serve(outer, handler), "POST", strings.NewReader("payload"), http.Header{"X-Two": {"a", "b"}})
	if res != nil {
		finish(res) // judged by other cases
	}
	for _, what := range changes {
		k.failf("the request's %s was changed", what)
	}
}

func eventsFlushed(k *handlerCheck) {
	next := make(chan struct{}, 2) // one for each event
	s := k.with(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 2 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			select {
			case <-next:
			case <-time.After(k.patience):
				return
			}
		}
	})
	res := k.ask(context.Background(), s, "GET", nil, nil)
	defer finish(res) // judged below
	if !s.reached.Load() {
		return
	}
	if res == nil {
		k.failf("there is no answer")
		return
	}
	for i := range 2 {
		want := fmt.Sprintf("data: %d\n\n", i)
		got := make([]byte, len(want))
		var err error
		if start := time.Now(); !k.within(func() { _, err = io.ReadFull(res.Body, got) }) || time.Since(start) >= k.patience {
			k.failf("an event that was flushed does not reach the caller")
			return
		}
		if string(got) != want || err != nil {
			k.failf("the caller reads %q, %v; the handler wrote %q", got, err, want)
			return
		}
		next <- struct{}{}
	}
}

func uploadStreams(k *handlerCheck) {
	first := make(chan struct{})
	var once sync.Once
	s := k.with(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadFull(r.Body, make([]byte, 4096)); err == nil {
			once.Do(func() { close(first) })
		}
		io.WriteString(w, readAll(r))
	})
	pr, pw := io.Pipe()
	go func() {
		defer pw.Close()
		pw.Write(make([]byte, 4096)) // ends with the reader
		if k.awaits(first, s) {
			io.WriteString(pw, "rest") // ends with the reader
		}
	}()
	res := k.ask(context.Background(), s, "POST", pr, nil)
	got, err := finish(res)
	pr.Close()
	if s.reached.Load() && (got != "rest" || err != nil) {
		k.failf("the body does not stream: after its first part, the handler reads %q of what is sent then (%v)", got, err)
	}
}

func fullDuplex(k *handlerCheck) {
	s := k.with(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			k.failf("EnableFullDuplex: %v", err)
		}
		io.WriteString(w, "ready ")
		if err := rc.Flush(); err != nil {
			k.failf("Flush: %v", err)
		}
		io.Copy(w, r.Body)
	})
	pr, pw := io.Pipe()
	ready := make(chan struct{})
	go func() {
		defer pw.Close()
		if k.awaits(ready, s) {
			io.WriteString(pw, "steady") // ends with the reader
		}
	}()
	res := k.ask(context.Background(), s, "POST", pr, nil)
	defer pr.Close()
	if res == nil || !s.reached.Load() {
		finish(res) // an answer of the layer
		return
	}
	begun := make([]byte, len("ready "))
	io.ReadFull(res.Body, begun) // judged by what was read
	close(ready)
	if rest, err := finish(res); string(begun) != "ready " || rest != "steady" {
		k.failf("the handler cannot answer while it reads: the caller gets %q and then %q (%v)", begun, rest, err)
	}
}

func expectContinueServed(k *handlerCheck) {
	s := k.with(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusExpectationFailed) })
	asked := false
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got100Continue: func() { asked = true }})
	if t, ok := s.Client().Transport.(*http.Transport); ok {
		t.ExpectContinueTimeout = k.patience
	}
	res := k.ask(ctx, s, "POST", strings.NewReader("payload"), http.Header{"Expect": {"100-continue"}})
	finish(res) // judged by other cases
	if asked && s.reached.Load() {
		k.failf("the caller was asked for a body that the handler does not read")
	}
}

func earlyHints(k *handlerCheck) {
	s := k.with(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.WriteHeader(http.StatusTeapot)
	})
	var hints []string
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
			return nil
		},
	})
	res := k.ask(ctx, s, "GET", nil, nil)
	finish(res) // judged by other cases
	if !s.reached.Load() || res == nil {
		return
	}
	if want := []string{"103 </style.css>; rel=preload"}; !reflect.DeepEqual(hints, want) {
		k.failf("the early hints are %q, want %q", hints, want)
	}
	if res.StatusCode != http.StatusTeapot {
		k.failf("the status after early hints is %d, want 418", res.StatusCode)
	}
}

func trailersServed(k *handlerCheck) {
	s := k.with(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	})
	res, _, _ := k.get(s)
	if !s.reached.Load() || res == nil {
		return
	}
	for name, want := range map[string]string{"X-Sum": "1", "X-Late": "2"} {
		if got := res.Trailer.Get(name); got != want {
			k.failf("the trailer %s is %q, want %q", name, got, want)
		}
	}
}

func readFrom(k *handlerCheck) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	s := k.with(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		// Without WriteTo, so that io.Copy asks the ResponseWriter.
		if n, err := io.Copy(w, io.LimitReader(bytes.NewReader(data), int64(len(data)))); n != int64(len(data)) || err != nil {
			k.failf("io.Copy: %d, %v", n, err)
		}
	})
	res, got, err := k.get(s)
	if s.reached.Load() && (got != string(data) || err != nil || res.ContentLength != int64(len(data))) {
		k.failf("of %d bytes %d arrive (%v)", len(data), len(got), err)
	}
}

func abort(k *handlerCheck) {
	type bug struct{}
	for _, value := range []any{http.ErrAbortHandler, bug{}} {
		s := k.with(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "part")
			w.(http.Flusher).Flush()
			panic(value)
		})
		_, _, err := k.get(s)
		if !s.reached.Load() {
			continue
		}
		if got, _ := s.panicked.Load().(recovered); got.value != value {
			k.failf("the handler panicked with %v, and out of the layer comes %v", value, got.value)
		}
		if err == nil {
			k.failf("the answer of a handler that panicked with %v looks whole to the caller", value)
		}
	}
}

func callerGone(k *handlerCheck) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan bool, 1)
	s := k.with(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		select {
		case <-r.Context().Done():
			done <- true
		case <-time.After(k.patience):
			done <- false
		}
	})
	res := k.ask(ctx, s, "GET", nil, nil)
	finish(res) // an answer of the layer, or none
	if s.reached.Load() && !<-done {
		k.failf("the caller has gone, and the handler's context goes on")
	}
}

func servedContext(k *handlerCheck) {
	type key struct{}
	r := httptest.NewRequest("GET", "http://svc.example/", nil)
	r = r.WithContext(context.WithValue(r.Context(), key{}, "value"))
	k.layer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Context().Value(key{}) != "value" {
			k.failf("a value of the server's context is not visible to the handler")
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
}

func hijack(k *handlerCheck) {
	s := k.with(func(w http.ResponseWriter, _ *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			k.failf("Hijack: %v", err)
			return
		}
		defer conn.Close()
		buf.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n") // seen by what arrives
		buf.Flush()                                                                                         // likewise
		io.Copy(conn, buf)                                                                                  // until the caller closes
	})
	res := k.ask(context.Background(), s, "GET", nil, http.Header{"Connection": {"upgrade"}, "Upgrade": {"echo"}})
	if !s.reached.Load() {
		finish(res) // an answer of the layer
		return
	}
	if res == nil || res.StatusCode != http.StatusSwitchingProtocols {
		k.failf("a handler that hijacks cannot answer: %v", res)
		return
	}
	defer res.Body.Close()
	got := make([]byte, 4)
	rw := res.Body.(io.ReadWriter)                                                                       // net/http's, for a 101
	if !k.within(func() { io.WriteString(rw, "ping"); io.ReadFull(rw, got) }) || string(got) != "ping" { // judged by what was read
		k.failf("an upgraded connection does not echo: %q", got)
	}
}
