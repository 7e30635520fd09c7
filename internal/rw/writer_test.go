package rw

import (
	"bufio"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var farAway = time.Now().Add(time.Hour)

// recorder is a layer as the package comment describes it.
type recorder struct {
	Writer
	before []int
	become int
	header http.Header // added by the hook
}

func (h *recorder) BeforeHeader(status int) int {
	h.before = append(h.before, status)
	for name, values := range h.header {
		h.Header()[name] = values
	}
	if h.become != 0 {
		return h.become
	}
	return status
}

func TestTheHookRunsOnceBeforeTheHeaderHoweverItIsWritten(t *testing.T) {
	tests := map[string]struct {
		handler http.HandlerFunc
		status  int
		bytes   int64
	}{
		"by WriteHeader":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, 404, 0},
		"by Write":                {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("abc")) }, 200, 3},
		"by WriteString":          {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "abcd") }, 200, 4},
		"by Flush":                {func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, 200, 0},
		"by a controller's flush": {func(w http.ResponseWriter, _ *http.Request) { http.NewResponseController(w).Flush() }, 200, 0},
		"by io.Copy":              {func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, strings.NewReader("abcde")) }, 200, 5},
		"by returning":            {func(http.ResponseWriter, *http.Request) {}, 200, 0},
		"WriteHeader, then Write": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.Write([]byte("ab")) }, 201, 2},
		"Write twice, then Flush": {func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte("a"))
			w.Write([]byte("b"))
			w.(http.Flusher).Flush()
		}, 200, 2},
		"early hints do not count": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(202) }, 202, 0},
	}
	for name, tt := range tests {
		for proto, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
			t.Run(name+" over "+proto, func(t *testing.T) {
				layer := &recorder{header: http.Header{"X-Hook": {"ran"}}}
				res, text := serve(t, h2, func(w http.ResponseWriter, r *http.Request) {
					tt.handler(layer.Wrap(w, layer), r)
					layer.Finish()
				})
				require.Equal(t, []int{tt.status}, layer.before)
				require.Equal(t, tt.status, res.StatusCode)
				require.Equal(t, tt.status, layer.Status())
				require.True(t, layer.Wrote())
				require.Equal(t, tt.bytes, layer.Bytes())
				require.Len(t, text, int(tt.bytes))
				require.Equal(t, "ran", res.Header.Get("X-Hook"))
			})
		}
	}
}

func TestTheHookMayChangeTheStatus(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"given":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"implied": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") },
		"none":    func(http.ResponseWriter, *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			layer := &recorder{become: 504}
			rec := httptest.NewRecorder()
			handler(layer.Wrap(rec, layer), nil)
			layer.Finish()
			require.Equal(t, 504, rec.Code)
			require.Equal(t, 504, layer.Status())
		})
	}
}

func TestAServerStillTellsTheContentType(t *testing.T) {
	for name, w := range map[string]*Writer{"looking": {}, "hooked": {}} {
		t.Run(name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			var hooks Hooks
			if name == "hooked" {
				hooks = &recorder{}
			}
			io.WriteString(w.Wrap(rec, hooks), "<html><body>")
			require.Equal(t, "text/html; charset=utf-8", rec.Result().Header.Get("Content-Type"))
		})
	}
}

// shouter changes a body on its way.
type shouter struct{ Writer }

func (*shouter) BeforeHeader(status int) int { return status }
func (s *shouter) WriteBody(p []byte) (int, error) {
	return s.Send([]byte(strings.ToUpper(string(p))))
}

func TestABodyHookGetsEveryByte(t *testing.T) {
	layer := &shouter{}
	_, text := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		w = layer.Wrap(w, layer)
		w.Write([]byte("one "))
		io.WriteString(w, "two ")
		io.Copy(w, strings.NewReader("three"))
	})
	require.Equal(t, "ONE TWO THREE", text)
	require.EqualValues(t, len(text), layer.Bytes())
}

func TestEarlyHintsReachTheCaller(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w = new(Writer).Wrap(w, &recorder{})
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	var hints []int
	req, _ := http.NewRequest("GET", srv.URL, nil)
	req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { hints = append(hints, code); return nil },
	}))
	res, err := srv.Client().Do(req)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, []int{103}, hints)
	require.Equal(t, 204, res.StatusCode)
}

func TestAHijackedConnectionIsTheHijackers(t *testing.T) {
	layer := &recorder{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, buf, err := http.NewResponseController(layer.Wrap(w, layer)).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		buf.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
		buf.Flush()
		io.Copy(conn, buf)
		conn.Close()
		layer.Finish()
	}))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, 101, res.StatusCode)
	io.WriteString(conn, "ping\n")
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ping\n", line)
	conn.Close()
	srv.Close()
	require.True(t, layer.Hijacked())
	require.False(t, layer.Wrote())
	require.Empty(t, layer.before)
}

// sendfileConn counts what is sent by ReadFrom, which for a TCP connection and a
// file is sendfile.
type sendfileConn struct {
	*net.TCPConn
	sent *atomic.Int64
}

func (c sendfileConn) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.TCPConn.ReadFrom(r)
	c.sent.Add(n)
	return n, err
}

type sendfileListener struct {
	net.Listener
	sent *atomic.Int64
}

func (l sendfileListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return sendfileConn{c.(*net.TCPConn), l.sent}, nil
}

func TestAFileIsStillSentByTheKernel(t *testing.T) {
	const size = 1 << 20
	name := filepath.Join(t.TempDir(), "file")
	data := make([]byte, size)
	rand.Read(data)
	require.NoError(t, os.WriteFile(name, data, 0o600))

	var sent atomic.Int64
	var layer recorder
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(layer.Wrap(w, &layer), r, name)
	}))
	srv.Listener = sendfileListener{srv.Listener, &sent}
	srv.Start()
	res, err := srv.Client().Get(srv.URL)
	require.NoError(t, err)
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	res.Body.Close()
	srv.Close()
	require.Equal(t, data, got)
	require.EqualValues(t, size, layer.Bytes())
	require.Greater(t, sent.Load(), int64(size-1024), "all but the bytes from which the type is told")
}

// silent is a ResponseWriter without abilities and without cost.
type silent struct{ h http.Header }

func (s silent) Header() http.Header         { return s.h }
func (s silent) WriteHeader(int)             {}
func (s silent) Write(p []byte) (int, error) { return len(p), nil }

func TestWrappingAllocatesNothingOfItsOwn(t *testing.T) {
	layer := &recorder{before: make([]int, 0, 1<<16)}
	var inner http.ResponseWriter = silent{http.Header{}}
	body := []byte("x")
	allocs := testing.AllocsPerRun(1000, func() {
		w := layer.Wrap(inner, layer)
		w.Write(body)
		layer.Finish()
	})
	require.Zero(t, allocs)
}

func BenchmarkWrap(b *testing.B) {
	layer := &shouter{}
	var inner http.ResponseWriter = silent{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		w := layer.Wrap(inner, nil)
		w.WriteHeader(200)
	}
}
