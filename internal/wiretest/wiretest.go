// Package wiretest has servers for tests that break at each stage of a request,
// over real connections, and a client that makes one connection for each
// request, so that net/http repeats nothing by itself.
package wiretest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// A Server is a listener that hands each connection to a function.
type Server struct {
	listener net.Listener
	handle   func(net.Conn)

	mu    sync.Mutex
	conns map[net.Conn]bool
	all   int
	wg    sync.WaitGroup
}

// Serve listens on loopback until the test ends. The connection is closed when
// handle returns.
func Serve(t testing.TB, handle func(net.Conn)) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ServeOn(t, l, handle)
}

// ServeOn is as Serve, for connections that come to l.
func ServeOn(t testing.TB, l net.Listener, handle func(net.Conn)) *Server {
	s := &Server{listener: l, handle: handle, conns: make(map[net.Conn]bool)}
	s.wg.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Conns is how many connections were made to it.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.all++
		s.mu.Unlock()
		s.wg.Go(func() {
			s.handle(c)
			c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

func (s *Server) close() {
	s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Refusing is an address at which nobody listens.
func Refusing(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Reset closes c with a RST.
func Reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0) //nolint:errcheck // then it closes with a FIN, and the test tells
	}
	c.Close()
}

// Hang waits until the other side closes c.
func Hang(c net.Conn) {
	io.Copy(io.Discard, c) //nolint:errcheck // its end is what is waited for
}

// HTTP1 is a handler of connections that reads one request, body and all, and
// does as it is told.
func HTTP1(do func(net.Conn, *http.Request)) func(net.Conn) {
	return func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		do(c, r)
	}
}

// Frame types and error codes of HTTP/2 (RFC 9113 sections 6 and 7).
const (
	frameHeaders   = 1
	frameRSTStream = 3
	frameSettings  = 4
	framePing      = 6
	frameGoAway    = 7

	NoError          = 0
	ProtocolError    = 1
	InternalError    = 2
	RefusedStream    = 7
	Cancel           = 8
	EnhanceYourCalm  = 11
	HTTP11Required   = 13
	flagEndStream    = 1
	flagAck          = 1
	flagEndHeaders   = 4
	prefaceLength    = 24
	frameHeaderBytes = 9
)

// An H2Stream is a request over HTTP/2 to answer frame by frame.
type H2Stream struct {
	Conn net.Conn
	ID   uint32
}

// HTTP2 is a handler of connections that does as it is told with each request,
// when its HEADERS frame is there.
func HTTP2(do func(H2Stream)) func(net.Conn) {
	return func(c net.Conn) {
		var preface [prefaceLength]byte
		if _, err := io.ReadFull(c, preface[:]); err != nil {
			return
		}
		writeFrame(c, frameSettings, 0, 0, nil)
		for {
			kind, flags, id, payload, err := readFrame(c)
			if err != nil {
				return
			}
			switch {
			case kind == frameSettings && flags&flagAck == 0:
				writeFrame(c, frameSettings, flagAck, 0, nil)
			case kind == framePing && flags&flagAck == 0:
				writeFrame(c, framePing, flagAck, 0, payload)
			case kind == frameHeaders:
				do(H2Stream{c, id})
			}
		}
	}
}

func readFrame(c net.Conn) (kind, flags byte, id uint32, payload []byte, err error) {
	var h [frameHeaderBytes]byte
	if _, err = io.ReadFull(c, h[:]); err != nil {
		return
	}
	payload = make([]byte, int(h[0])<<16|int(h[1])<<8|int(h[2]))
	_, err = io.ReadFull(c, payload)
	return h[3], h[4], binary.BigEndian.Uint32(h[5:]) & (1<<31 - 1), payload, err
}

func writeFrame(c net.Conn, kind, flags byte, id uint32, payload []byte) {
	frame := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	frame = binary.BigEndian.AppendUint32(frame, id)
	c.Write(append(frame, payload...)) //nolint:errcheck // the client tells
}

// OK answers 200 without a body.
func (s H2Stream) OK() {
	const status200 = 0x88 // in HPACK's static table
	writeFrame(s.Conn, frameHeaders, flagEndHeaders|flagEndStream, s.ID, []byte{status200})
}

// Reset ends the stream with a code.
func (s H2Stream) Reset(code uint32) {
	writeFrame(s.Conn, frameRSTStream, 0, s.ID, binary.BigEndian.AppendUint32(nil, code))
}

// GoAway says that the connection ends and that last was the last stream acted
// on.
func (s H2Stream) GoAway(last, code uint32) {
	payload := binary.BigEndian.AppendUint32(nil, last)
	writeFrame(s.Conn, frameGoAway, 0, 0, binary.BigEndian.AppendUint32(payload, code))
}

// A Client is an http.RoundTripper that makes a connection for each request, so
// that nothing is repeated behind its back.
type Client struct {
	Transport *http.Transport // says how; its pool is not used
	Scheme    string          // http or https
	Addr      func(*http.Request) string
}

// NewClient is a client of one address, over HTTP/2 without TLS or HTTP/1.1.
func NewClient(addr string, http2 bool) *Client {
	tr := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(!http2)
	tr.Protocols.SetUnencryptedHTTP2(http2)
	return &Client{tr, "http", func(*http.Request) string { return addr }}
}

// RoundTrip implements http.RoundTripper.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	conn, err := c.Transport.NewClientConn(r.Context(), c.Scheme, c.Addr(r))
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	res, err := conn.RoundTrip(r)
	if err != nil {
		conn.Close()
		return nil, err
	}
	res.Body = &closing{res.Body, conn}
	return res, nil
}

// closing closes a connection with the body of its answer.
type closing struct {
	io.ReadCloser
	conn *http.ClientConn
}

func (c *closing) Close() error {
	err := c.ReadCloser.Close()
	c.conn.Close()
	return err
}

// Answer writes an answer over HTTP/1.1. The headers are lines without an end.
func Answer(c net.Conn, status int, body string, headers ...string) {
	fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", status, http.StatusText(status), len(body))
	for _, h := range headers {
		fmt.Fprintf(c, "%s\r\n", h)
	}
	fmt.Fprintf(c, "\r\n%s", body)
}
