package mtls_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/mtls"
)

func TestModes(t *testing.T) {
	ca := certtest.NewCA()
	server, caller := newWorkload(t, ca, reviewsID), newWorkload(t, ca, frontendID)
	const known, unknown = " true cluster.local/ns/shop/sa/frontend", " false //ns//sa/"
	for _, c := range []struct {
		mode       mtls.Mode
		tls, plain bool
	}{{mtls.Permissive, true, true}, {mtls.Strict, true, false}, {mtls.Disabled, false, true}} {
		t.Run(c.mode.String(), func(t *testing.T) {
			addr := server.server(t, c.mode)
			for _, http2 := range []bool{false, true} {
				proto := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[http2]
				body, err := get(t, addr, caller.Client(server.ID()), http2)
				require.Equal(t, c.tls, err == nil, err)
				if c.tls {
					require.Equal(t, proto+known, body)
				}
				body, err = get(t, addr, nil, http2)
				require.Equal(t, c.plain, err == nil, err)
				if c.plain {
					require.Equal(t, proto+strings.Replace(unknown, "//ns//sa/", "/ns//sa/", 1), body)
				}
			}
		})
	}
	require.Equal(t, "unknown", mtls.Mode(9).String())
}

// Connections that say nothing keep nobody waiting, and go after a while.
func TestSilentConnections(t *testing.T) {
	ca := certtest.NewCA()
	w := newWorkload(t, ca, reviewsID)
	synctest.Test(t, func(t *testing.T) {
		inner := newPipes()
		l := w.Listener(inner, func(uint16) mtls.Mode { return mtls.Permissive })
		defer l.Close()
		silent := inner.dial()
		talking := inner.dial()
		go talking.Write([]byte("hello"))
		c, err := l.Accept()
		require.NoError(t, err)
		got := make([]byte, 5)
		_, err = io.ReadFull(c, got)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))

		start := time.Now()
		_, err = silent.Read(got)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, 5*time.Second, time.Since(start))
		c.Close()
	})
}

func TestCloseEndsWhatTheListenerBegan(t *testing.T) {
	w := newWorkload(t, certtest.NewCA(), reviewsID)
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		inner := newPipes()
		l := w.Listener(inner, func(uint16) mtls.Mode { return mtls.Permissive })
		silent, unaccepted := inner.dial(), inner.dial()
		go unaccepted.Write([]byte("hello"))
		synctest.Wait()
		start := time.Now()
		require.NoError(t, l.Close())
		require.Zero(t, time.Since(start))
		for _, c := range []net.Conn{silent, unaccepted} {
			_, err := io.ReadAll(c)
			require.NoError(t, err, "closed")
		}
		_, err := l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, l.Close(), net.ErrClosed)
	})
}

func TestErrorsOfTheListenerInsideAreHandedOn(t *testing.T) {
	w := newWorkload(t, certtest.NewCA(), reviewsID)
	synctest.Test(t, func(t *testing.T) {
		inner := newPipes()
		l := w.Listener(inner, func(uint16) mtls.Mode { return mtls.Disabled })
		defer l.Close()
		passing := errors.New("too many open files")
		go func() { inner.next <- accepted{err: passing} }()
		_, err := l.Accept()
		require.Equal(t, passing, err)
		defer inner.dial().Close()
		c, err := l.Accept()
		require.NoError(t, err, "and it goes on")
		c.Close()
	})
}

// pipes is a listener without a network.
type pipes struct {
	next   chan accepted
	closed chan struct{}
}

type accepted struct {
	conn net.Conn
	err  error
}

func newPipes() *pipes { return &pipes{make(chan accepted, 4), make(chan struct{})} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.next <- accepted{conn: server}
	return client
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case a := <-p.next:
		return a.conn, a.err
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
