package wiretest

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A Loopback is a listener in memory, and the only way to it: what is sent over it
// takes no time, so that a test in a bubble of testing/synctest can say exactly how long
// everything else does. A connection takes whatever is written, read or not.
type Loopback struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	port int // of the last caller
}

// Listen makes a listener.
func Listen() *Loopback {
	return &Loopback{accept: make(chan net.Conn, 1024), closed: make(chan struct{}), port: 40_000}
}

// Dial connects to l, whatever the address. It has the signature of a Dialer's
// DialContext.
func (l *Loopback) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	l.mu.Lock()
	l.port++
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: l.port}
	l.mu.Unlock()
	there, back := newStream(), newStream()
	server := &memory{in: there, out: back, local: l.Addr(), remote: from, late: newDeadline()}
	select {
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: network, Addr: l.Addr(), Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: network, Addr: l.Addr(), Err: ctx.Err()}
	case l.accept <- server:
		return &memory{in: back, out: there, local: from, remote: l.Addr(), late: newDeadline()}, nil
	}
}

// Accept implements net.Listener.
func (l *Loopback) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	case c := <-l.accept:
		return c, nil
	}
}

// Close implements net.Listener.
func (l *Loopback) Close() error {
	l.once.Do(func() { close(l.closed) })
	for {
		select {
		case c := <-l.accept: // nobody will
			c.Close()
		default:
			return nil
		}
	}
}

// Addr implements net.Listener.
func (l *Loopback) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// A memory is one end of a connection.
type memory struct {
	in, out       *stream
	local, remote net.Addr
	late          *deadline // for reads
	mu            sync.Mutex
	abrupt        bool
}

func (c *memory) Read(p []byte) (int, error)       { return c.in.read(p, c.late) }
func (c *memory) Write(p []byte) (int, error)      { return c.out.write(p) }
func (c *memory) LocalAddr() net.Addr              { return c.local }
func (c *memory) RemoteAddr() net.Addr             { return c.remote }
func (c *memory) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *memory) SetWriteDeadline(time.Time) error { return nil } // no write waits

func (c *memory) SetReadDeadline(t time.Time) error {
	c.late.set(t)
	return nil
}

// SetLinger is as that of [net.TCPConn]: after zero seconds it is closed with a reset.
func (c *memory) SetLinger(seconds int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abrupt = seconds == 0
	return nil
}

func (c *memory) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.abrupt {
		c.out.end(syscall.ECONNRESET, true)
	} else {
		c.out.end(io.EOF, false)
	}
	c.in.end(net.ErrClosed, true)
	c.late.set(time.Time{})
	return nil
}

// A stream is one direction of a connection.
type stream struct {
	mu   sync.Mutex
	data []byte
	err  error         // after the data
	news chan struct{} // closed when there is something to read
}

func newStream() *stream { return &stream{news: make(chan struct{})} }

func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	s.data = append(s.data, p...)
	s.tell()
	return len(p), nil
}

// end is the end of what is written and, if lost, of what was not read.
func (s *stream) end(err error, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lost {
		s.data = nil
	}
	if s.err == nil {
		s.err = err
		s.tell()
	}
}

func (s *stream) tell() {
	close(s.news)
	s.news = make(chan struct{})
}

func (s *stream) read(p []byte, late *deadline) (int, error) {
	for {
		s.mu.Lock()
		news, err := s.news, s.err
		n := copy(p, s.data)
		s.data = s.data[n:]
		s.mu.Unlock()
		passed := late.passed()
		select {
		case <-passed:
			if n == 0 {
				return 0, &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
			}
		default:
		}
		switch {
		case n > 0 || len(p) == 0:
			return n, nil
		case err == io.EOF:
			return 0, io.EOF
		case err != nil:
			return 0, &net.OpError{Op: "read", Net: "tcp", Err: err}
		}
		select {
		case <-news:
		case <-passed:
		}
	}
}

// A deadline closes a channel when it has passed.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	over  chan struct{}
}

func newDeadline() *deadline { return &deadline{over: make(chan struct{})} }

func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.over // it is about to be
	}
	d.timer = nil
	select {
	case <-d.over:
		d.over = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	if wait := time.Until(t); wait > 0 {
		over := d.over
		d.timer = time.AfterFunc(wait, func() { close(over) })
	} else {
		close(d.over)
	}
}
