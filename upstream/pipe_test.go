package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// A pipeServer serves over pipes, so that a bubble of testing/synctest can tell
// when everybody waits. Each address that is dialled leads to it.
type pipeServer struct {
	server http.Server
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
	dials  atomic.Int64
	down   atomic.Bool  // refuses connections
	hangs  atomic.Bool  // never answers a dial
	open   atomic.Int64 // connections of which the server has not seen the end
}

func servePipes(t testing.TB, h http.HandlerFunc) *pipeServer {
	s := &pipeServer{accept: make(chan net.Conn), closed: make(chan struct{})}
	s.server.Handler = h
	s.server.Protocols = new(http.Protocols)
	s.server.Protocols.SetHTTP1(true)
	s.server.Protocols.SetUnencryptedHTTP2(true)
	s.server.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		}
	}
	var serving sync.WaitGroup
	serving.Go(func() { s.server.Serve(s) })
	t.Cleanup(func() { s.server.Close(); serving.Wait() })
	return s
}

func (s *pipeServer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	s.dials.Add(1)
	if s.hangs.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if s.down.Load() {
		return nil, errors.New("refused")
	}
	client, server := net.Pipe()
	select {
	case s.accept <- server:
		return client, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Accept implements net.Listener.
func (s *pipeServer) Accept() (net.Conn, error) {
	select {
	case c := <-s.accept:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (s *pipeServer) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// Addr implements net.Listener.
func (s *pipeServer) Addr() net.Addr { return &net.TCPAddr{} }
