package rw

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Fakes of the single abilities; they note their calls.
type (
	base struct {
		calls  []string
		header http.Header
		sent   strings.Builder
	}
	fakeFlusher    struct{ *base }
	fakeHijacker   struct{ *base }
	fakeReaderFrom struct{ *base }
	fakePusher     struct{ *base }
)

func (b *base) note(s string)               { b.calls = append(b.calls, s) }
func (b *base) Header() http.Header         { return b.header }
func (b *base) WriteHeader(int)             { b.note("WriteHeader") }
func (b *base) Write(p []byte) (int, error) { b.note("Write"); return b.sent.Write(p) }

func (f fakeFlusher) Flush() { f.note("Flush") }
func (f fakeHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	f.note("Hijack")
	return nil, nil, nil
}
func (f fakeReaderFrom) ReadFrom(src io.Reader) (int64, error) {
	f.note("ReadFrom")
	return io.Copy(&f.sent, src)
}
func (f fakePusher) Push(string, *http.PushOptions) error { f.note("Push"); return nil }

// fakes has a ResponseWriter for every set of abilities. Go cannot make types
// with methods at run time, so they are listed; the test checks that none is
// missing.
func fakes(b *base) []http.ResponseWriter {
	f, h, r, p := fakeFlusher{b}, fakeHijacker{b}, fakeReaderFrom{b}, fakePusher{b}
	type (
		F = fakeFlusher
		H = fakeHijacker
		R = fakeReaderFrom
		P = fakePusher
	)
	return []http.ResponseWriter{
		b,
		struct {
			*base
			F
		}{b, f},
		struct {
			*base
			H
		}{b, h},
		struct {
			*base
			R
		}{b, r},
		struct {
			*base
			P
		}{b, p},
		struct {
			*base
			F
			H
		}{b, f, h},
		struct {
			*base
			F
			R
		}{b, f, r},
		struct {
			*base
			F
			P
		}{b, f, p},
		struct {
			*base
			H
			R
		}{b, h, r},
		struct {
			*base
			H
			P
		}{b, h, p},
		struct {
			*base
			R
			P
		}{b, r, p},
		struct {
			*base
			F
			H
			R
		}{b, f, h, r},
		struct {
			*base
			F
			H
			P
		}{b, f, h, p},
		struct {
			*base
			F
			R
			P
		}{b, f, r, p},
		struct {
			*base
			H
			R
			P
		}{b, h, r, p},
		struct {
			*base
			F
			H
			R
			P
		}{b, f, h, r, p},
	}
}

func TestAWrapperHasExactlyTheAbilitiesOfTheWrapped(t *testing.T) {
	seen := map[int]bool{}
	for i := range fakes(&base{}) {
		b := &base{header: http.Header{}}
		inner := fakes(b)[i]
		want := abilities(inner)
		seen[want] = true

		var state Writer
		w := state.Wrap(inner, nil)
		require.Equal(t, want, abilities(w), "of %T", w)
		require.Same(t, b, unwrapAll(w).(interface{ self() *base }).self())

		var calls []string
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
			calls = append(calls, "Flush")
		}
		if r, ok := w.(io.ReaderFrom); ok {
			n, err := r.ReadFrom(strings.NewReader("four"))
			require.NoError(t, err)
			require.EqualValues(t, 4, n)
			require.EqualValues(t, 4, state.Bytes())
			calls = append(calls, "ReadFrom")
		}
		if p, ok := w.(http.Pusher); ok {
			require.NoError(t, p.Push("/x", nil))
			calls = append(calls, "Push")
		}
		if h, ok := w.(http.Hijacker); ok {
			_, _, err := h.Hijack()
			require.NoError(t, err)
			require.True(t, state.Hijacked())
			calls = append(calls, "Hijack")
		}
		require.Equal(t, calls, b.calls, "each call reaches the wrapped one, once")
	}
	require.Len(t, seen, 16)
}

func (b *base) self() *base { return b }

func unwrapAll(w http.ResponseWriter) http.ResponseWriter {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}

// serve runs a handler behind a real server and gives its answer to a GET.
func serve(t *testing.T, h2 bool, h http.HandlerFunc) (*http.Response, string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = h2
	srv.Config.Protocols = new(http.Protocols)
	if h2 {
		srv.Config.Protocols.SetHTTP2(true)
		srv.TLS = &tls.Config{NextProtos: []string{"h2"}}
		srv.StartTLS()
	} else {
		srv.Config.Protocols.SetHTTP1(true)
		srv.Start()
	}
	defer srv.Close()
	defer srv.Client().CloseIdleConnections()
	res, err := srv.Client().Get(srv.URL)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, h2, res.ProtoMajor == 2)
	return res, string(text)
}

func TestRealServersKeepTheirAbilitiesThroughThreeWrappers(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			_, text := serve(t, h2, func(w http.ResponseWriter, r *http.Request) {
				want := abilities(w)
				direct := controls(w)
				for range 3 {
					w = new(Writer).Wrap(w, nil)
				}
				if got := abilities(w); got != want {
					t.Errorf("abilities %b, want %b", got, want)
				}
				if got := controls(w); !reflect.DeepEqual(got, direct) {
					t.Errorf("controls %v, want %v", got, direct)
				}
				io.WriteString(w, "done")
			})
			require.Equal(t, "done", text)
		})
	}
}

// controls is what a ResponseController of w can do.
func controls(w http.ResponseWriter) map[string]bool {
	rc := http.NewResponseController(w)
	supported := func(err error) bool { return !errors.Is(err, http.ErrNotSupported) }
	return map[string]bool{
		"read deadline":  supported(rc.SetReadDeadline(farAway)),
		"write deadline": supported(rc.SetWriteDeadline(farAway)),
		"full duplex":    supported(rc.EnableFullDuplex()),
		"flush":          supported(rc.Flush()),
	}
}
