package mtls

import (
	"crypto/tls"
	"errors"
	"io"
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
	mostSilent = 4096

	tlsHandshake = 0x16 // the type of a TLS record that begins a handshake (RFC 8446 section 5.1)
)

// Listener is l with TLS by mode, which is asked with the local port of each
// connection. The first byte tells TLS from plain text: Strict closes connections
// in plain text, and Disabled takes them all as they are. Closing the listener
// ends what it has begun.
func (i *Identity) Listener(l net.Listener, mode func(port uint16) Mode) net.Listener {
	p := &listener{
		Listener: l, tls: i.Server(), mode: mode,
		ready: make(chan accepted), done: make(chan struct{}), silent: make(chan struct{}, mostSilent),
		waiting: map[net.Conn]struct{}{},
	}
	p.work.Go(p.accept)
	return p
}

type listener struct {
	net.Listener
	tls    *tls.Config
	mode   func(uint16) Mode
	ready  chan accepted
	silent chan struct{} // has an element for each connection that is looked at
	work   sync.WaitGroup
	done   chan struct{}
	once   sync.Once

	mu      sync.Mutex
	waiting map[net.Conn]struct{} // for their first byte; nil after the end
}

type accepted struct {
	conn net.Conn
	err  error
}

// accept hands each connection to a goroutine that looks at its first byte, so
// that one that is silent keeps no other waiting.
func (p *listener) accept() {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			// Some errors pass. Whoever accepts decides.
			if !p.give(accepted{err: err}) {
				return
			}
			continue
		}
		select {
		case p.silent <- struct{}{}:
			p.work.Go(func() {
				defer func() { <-p.silent }()
				p.sort(c)
			})
		case <-p.done:
			c.Close()
			return
		}
	}
}

// sort decides about a connection.
func (p *listener) sort(c net.Conn) {
	mode := p.mode(portOf(c.LocalAddr()))
	if mode != Disabled {
		first, ok := p.first(c)
		switch {
		case !ok, mode == Strict && first != tlsHandshake:
			c.Close()
			return
		case first == tlsHandshake:
			c = tls.Server(&peeked{Conn: c, first: first, held: true}, p.tls)
		default:
			c = &peeked{Conn: c, first: first, held: true}
		}
	}
	if !p.give(accepted{conn: c}) {
		c.Close()
	}
}

// first reads the first byte of a connection.
func (p *listener) first(c net.Conn) (b byte, ok bool) {
	if !p.hold(c) {
		return 0, false
	}
	defer p.release(c)
	var one [1]byte
	if c.SetReadDeadline(time.Now().Add(helloWithin)) != nil {
		return 0, false
	}
	if _, err := io.ReadFull(c, one[:]); err != nil {
		return 0, false
	}
	return one[0], c.SetReadDeadline(time.Time{}) == nil
}

// hold notes a connection that waits, so that Close can end it.
func (p *listener) hold(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		return false
	}
	p.waiting[c] = struct{}{}
	return true
}

func (p *listener) release(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, c)
}

// give waits until somebody accepts; it is false when the listener is closed.
func (p *listener) give(a accepted) bool {
	select {
	case p.ready <- a:
		return true
	case <-p.done:
		return false
	}
}

// Accept implements net.Listener.
func (p *listener) Accept() (net.Conn, error) {
	select {
	case a := <-p.ready:
		return a.conn, a.err
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It waits for what the listener has begun.
func (p *listener) Close() error {
	err := net.ErrClosed
	p.once.Do(func() {
		close(p.done)
		err = p.Listener.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		for c := range p.waiting {
			c.Close()
		}
		p.waiting = nil
	})
	p.work.Wait()
	return err
}

// peeked is a connection of which the first byte was read ahead.
type peeked struct {
	net.Conn
	first byte
	held  bool // the byte has not been handed on
}

// Read implements net.Conn.
func (p *peeked) Read(b []byte) (int, error) {
	if !p.held || len(b) == 0 {
		return p.Conn.Read(b)
	}
	b[0], p.held = p.first, false
	return 1, nil
}

// ReadFrom implements io.ReaderFrom, by which files are sent.
func (p *peeked) ReadFrom(r io.Reader) (int64, error) { return io.Copy(p.Conn, r) }

// CloseWrite ends the answer and lets the caller read it (see net/http's Server).
func (p *peeked) CloseWrite() error {
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func portOf(a net.Addr) uint16 {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return uint16(tcp.Port)
	}
	return 0
}
