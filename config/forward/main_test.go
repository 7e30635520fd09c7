package forward_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/forward"
	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// serve starts a server for a handler and gives its address.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := forward.Server(h)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(forward.Listener(l)) //nolint:errcheck // it ends with Close
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return l.Addr().String()
}

// to sends requests to one address whatever host they name.
type to struct {
	transport *http.Transport
	address   string
}

// RoundTrip implements http.RoundTripper.
func (t to) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.WithContext(r.Context())
	u := *r.URL
	u.Scheme, u.Host = "http", t.address
	r.URL = &u
	return t.transport.RoundTrip(r)
}

// proxy starts a proxy before the server h and gives the proxy's address.
func proxy(t *testing.T, h http.Handler) string {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return serve(t, forward.New(forward.Config{Client: to{transport, serve(t, h)}, Port: 80}))
}

// raw starts a server that takes one connection after the other and answers what
// it reads of the first request with a fixed text. It hands on what it read.
func raw(t *testing.T, answer string) (address string, requests <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	all := make(chan string, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the read fails then
			all <- head(bufio.NewReader(c))
			io.WriteString(c, answer) //nolint:errcheck // the test sees it
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String(), all
}

// head reads to the end of the headers.
func head(r *bufio.Reader) string {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}

// rawProxy is a proxy before a raw server.
func rawProxy(t *testing.T, answer string) (address string, requests <-chan string) {
	t.Helper()
	server, requests := raw(t, answer)
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return serve(t, forward.New(forward.Config{Client: to{transport, server}, Port: 80})), requests
}

// dial connects to an address for the length of the test.
func dial(t *testing.T, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return c, bufio.NewReader(c)
}

// ask sends the text of a request, LF standing for CRLF, and reads the answer.
func ask(t *testing.T, address, request string) (*http.Response, string) {
	t.Helper()
	c, r := dial(t, address)
	fmt.Fprint(c, strings.ReplaceAll(request, "\n", "\r\n"))
	return answer(t, r)
}

// answer reads an answer and its body.
func answer(t *testing.T, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	res.Body.Close()
	return res, string(body)
}
