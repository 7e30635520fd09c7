package upstream_test

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// places are where servers listen that leave and come back, by their names. A port that
// was given back may be somebody else's.
type places struct{ listeners sync.Map }

// listen is the new place of a name.
func (p *places) listen(name string) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		p.listeners.Store(name, l)
	}
	return l, err
}

// left says that nobody listens at a name any more.
func (p *places) left(name string) { p.listeners.Delete(name) }

// dial connects to a name.
func (p *places) dial(ctx context.Context, network, name string) (net.Conn, error) {
	l, ok := p.listeners.Load(name)
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, l.(net.Listener).Addr().String())
}
