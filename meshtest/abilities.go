package meshtest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
)

// A fakeWriter is a ResponseWriter that notes its calls. What of it a handler can
// see is chosen by [fakeWriters].
type fakeWriter struct {
	header http.Header
	status int
	body   strings.Builder
	calls  []string
}

// Header implements http.ResponseWriter.
func (f *fakeWriter) Header() http.Header { return f.header }

// WriteHeader implements http.ResponseWriter.
func (f *fakeWriter) WriteHeader(status int) { f.status = status }

// Write implements io.Writer.
func (f *fakeWriter) Write(p []byte) (int, error) { return f.body.Write(p) }

// The single abilities.
type (
	fakeFlusher    struct{ f *fakeWriter }
	fakeHijacker   struct{ f *fakeWriter }
	fakeReaderFrom struct{ f *fakeWriter }
	fakePusher     struct{ f *fakeWriter }
)

// Flush implements http.Flusher.
func (a fakeFlusher) Flush() { a.f.calls = append(a.f.calls, "flush") }

// Hijack implements http.Hijacker.
func (a fakeHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.f.calls = append(a.f.calls, "hijack")
	conn, peer := net.Pipe()
	peer.Close()
	return conn, bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn)), nil
}

// ReadFrom implements io.ReaderFrom.
func (a fakeReaderFrom) ReadFrom(src io.Reader) (int64, error) { return io.Copy(&a.f.body, src) }

// Push implements http.Pusher.
func (a fakePusher) Push(string, *http.PushOptions) error {
	a.f.calls = append(a.f.calls, "push")
	return nil
}

// fakeWriters is w with every set of abilities. Each has a type of its own, since
// the methods of a type cannot be chosen while a program runs.
func fakeWriters(w *fakeWriter) []http.ResponseWriter {
	f, h, r, p := fakeFlusher{w}, fakeHijacker{w}, fakeReaderFrom{w}, fakePusher{w}
	return []http.ResponseWriter{
		w,
		struct {
			*fakeWriter
			fakeFlusher
		}{w, f},
		struct {
			*fakeWriter
			fakeHijacker
		}{w, h},
		struct {
			*fakeWriter
			fakeReaderFrom
		}{w, r},
		struct {
			*fakeWriter
			fakePusher
		}{w, p},
		struct {
			*fakeWriter
			fakeFlusher
			fakeHijacker
		}{w, f, h},
		struct {
			*fakeWriter
			fakeFlusher
			fakeReaderFrom
		}{w, f, r},
		struct {
			*fakeWriter
			fakeFlusher
			fakePusher
		}{w, f, p},
		struct {
			*fakeWriter
			fakeHijacker
			fakeReaderFrom
		}{w, h, r},
		struct {
			*fakeWriter
			fakeHijacker
			fakePusher
		}{w, h, p},
		struct {
			*fakeWriter
			fakeReaderFrom
			fakePusher
		}{w, r, p},
		struct {
			*fakeWriter
			fakeFlusher
			fakeHijacker
			fakeReaderFrom
		}{w, f, h, r},
		struct {
			*fakeWriter
			fakeFlusher
			fakeHijacker
			fakePusher
		}{w, f, h, p},
		struct {
			*fakeWriter
			fakeFlusher
			fakeReaderFrom
			fakePusher
		}{w, f, r, p},
		struct {
			*fakeWriter
			fakeHijacker
			fakeReaderFrom
			fakePusher
		}{w, h, r, p},
		struct {
			*fakeWriter
			fakeFlusher
			fakeHijacker
			fakeReaderFrom
			fakePusher
		}{w, f, h, r, p},
	}
}

func abilitiesKept(k *handlerCheck) {
	for i := range fakeWriters(&fakeWriter{}) {
		f := &fakeWriter{header: make(http.Header)}
		below := fakeWriters(f)[i]
		want := assertable(below)
		k.layer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if got := assertable(w); !slices.Equal(got, want) {
				k.failf("a ResponseWriter that can %v is wrapped to one that can %v", want, got)
				return
			}
			use(w)
			var calls []string
			for _, a := range want {
				if a != "read from" {
					calls = append(calls, a)
				}
			}
			if !slices.Equal(f.calls, calls) {
				k.failf("of a ResponseWriter that can %v, what is called below is %v", want, f.calls)
			}
			if slices.Contains(want, "read from") && f.body.String() != "body" {
				k.failf("what a ResponseWriter that can %v reads arrives as %q", want, f.body.String())
			}
		})).ServeHTTP(below, httptest.NewRequest("GET", "http://svc.example/", nil))
	}
}

// assertable lists what type assertions find.
func assertable(w http.ResponseWriter) (can []string) {
	if _, ok := w.(io.ReaderFrom); ok {
		can = append(can, "read from")
	}
	if _, ok := w.(http.Flusher); ok {
		can = append(can, "flush")
	}
	if _, ok := w.(http.Pusher); ok {
		can = append(can, "push")
	}
	if _, ok := w.(http.Hijacker); ok {
		can = append(can, "hijack")
	}
	return can
}

// use does once whatever w can, in the order of [assertable].
func use(w http.ResponseWriter) {
	if r, ok := w.(io.ReaderFrom); ok {
		r.ReadFrom(strings.NewReader("body")) // seen by what arrives
	}
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	if p, ok := w.(http.Pusher); ok {
		p.Push("/style.css", nil) // a fake
	}
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			conn.Close()
		}
	}
}
