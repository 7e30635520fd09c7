package mtls

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// A Mode says which connections a server takes, in the words of Istio's
// PeerAuthentication.
type Mode uint8

const (
	Permissive Mode = iota // mutual TLS and plain text
	Strict                 // mutual TLS only
	Disabled               // plain text only
)

// String is the mode as Istio writes it.
func (m Mode) String() string {
	switch m {
	case Permissive:
		return "PERMISSIVE"
	case Strict:
		return "STRICT"
	case Disabled:
		return "DISABLE"
	}
	return "unknown"
}

const (
	// helloWithin is how long a connection may be silent before its first byte.
	helloWithin = 5 * time.Second
	// mostSilent is how many connections may wait for their first byte at a time.
	mostSilent = 1024

	tlsHandshake = 0x16 // the type of a TLS record that begins a handshake (RFC 8446 section 5.1)
)

// Listener is l with TLS by mode, which is asked with the local port of each
// connection. The first byte tells TLS from plain text: Strict closes connections
// in plain text, and Disabled takes them all as they are. Close the listener to end
// what it has begun.
func (i *Identity) Listener(l net.Listener, mode func(port uint16) Mode) net.Listener {
	p := &listener{
		Listener: l, tls: i.Server(), mode: mode,
		ready: make(chan net.Conn), done: make(chan struct{}), silent: make(chan struct{}, mostSilent),
	}
	p.work.Go(p.accept)
	return p
}

type listener struct {
	net.Listener
	tls    *tls.Config
	mode   func(uint16) Mode
	ready  chan net.Conn
	done   chan struct{}
	once   sync.Once
	silent chan struct{}
	work   sync.WaitGroup

	mu      sync.Mutex
	err     error
	waiting map[net.Conn]struct{}
}

// accept hands each connection to a goroutine that looks at its first byte, so
// that one that is silent keeps no other waiting.
func (p *listener) accept() {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			p.mu.Lock()
			p.err = err
			p.mu.Unlock()
			p.stop()
			return
		}
		select {
		case p.silent <- struct{}{}:
			p.work.Go(func() {
				defer func() { <-p.silent }()
				p.sort(c)
			})
		case <-p.done:
			c.Close()
		}
	}
}

// sort decides about a connection.
func (p *listener) sort(c net.Conn) {
	mode := p.mode(portOf(c.LocalAddr()))
	if mode == Disabled {
		p.give(c)
		return
	}
	if !p.hold(c) {
		c.Close()
		return
	}
	c.SetReadDeadline(time.Now().Add(helloWithin))
	r := bufio.NewReaderSize(c, 512)
	first, err := r.Peek(1)
	p.release(c)
	if err != nil || c.SetReadDeadline(time.Time{}) != nil {
		c.Close()
		return
	}
	looked := &peeked{c, r}
	switch {
	case first[0] == tlsHandshake:
		p.give(tls.Server(looked, p.tls))
	case mode == Strict:
		c.Close()
	default:
		p.give(looked)
	}
}

// hold notes a connection that waits, so that Close can end it.
func (p *listener) hold(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		return false
	default:
	}
	if p.waiting == nil {
		p.waiting = map[net.Conn]struct{}{}
	}
	p.waiting[c] = struct{}{}
	return true
}

func (p *listener) release(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, c)
}

func (p *listener) give(c net.Conn) {
	select {
	case p.ready <- c:
	case <-p.done:
		c.Close()
	}
}

// Accept implements net.Listener.
func (p *listener) Accept() (net.Conn, error) {
	select {
	case c := <-p.ready:
		return c, nil
	case <-p.done:
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.err != nil {
			return nil, p.err
		}
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It waits for what the listener has begun.
func (p *listener) Close() error {
	err := p.Listener.Close()
	p.stop()
	p.work.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (p *listener) stop() {
	p.once.Do(func() { close(p.done) })
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.waiting {
		c.Close()
	}
}

// peeked is a connection of which the first bytes were read ahead.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

// Read implements net.Conn.
func (p *peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

func portOf(a net.Addr) uint16 {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return uint16(tcp.Port)
	}
	return 0
}
