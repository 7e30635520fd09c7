package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// Envoy takes answers with at most this much in their headers.
	maxHeaderBytes = 60 << 10
	maxHeaders     = 100

	expectContinue = time.Second
)

// A dialer makes single connections. The transport makes no request itself, so
// that nothing is repeated behind the back of those who count attempts.
type dialer struct {
	transport *http.Transport
	dial      atomic.Pointer[dialFunc]
	tls       *tls.Config // the template; never nil
	always    bool        // TLS whatever the request asks for
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// A target is where a connection leads. Its TLS is verified against name, which
// is the service's and not the endpoint's; without a name it is plain text.
type target struct {
	addr string
	name string
}

// An opening is one connection being made. It travels in the context to the dial
// functions of the transport, and brings back what they learned.
type opening struct {
	to    target
	wire  *wire
	http2 bool
}

type openingKey struct{}

func newDialer(c Connections, tlsConfig *tls.Config, dial dialFunc) *dialer {
	d := new(dialer)
	d.setDial(dial)
	if tlsConfig != nil {
		d.tls, d.always = tlsConfig.Clone(), true
	} else {
		d.tls = new(tls.Config)
	}
	var protocols http.Protocols
	var offer []string
	switch c.Protocol {
	case HTTP2:
		protocols.SetHTTP2(true)
		protocols.SetUnencryptedHTTP2(true)
		offer = []string{"h2"}
	case HTTP1:
		protocols.SetHTTP1(true)
		offer = []string{"http/1.1"}
	default:
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true)
		offer = []string{"h2", "http/1.1"}
	}
	if d.tls.NextProtos == nil {
		d.tls.NextProtos = offer
	}
	d.transport = &http.Transport{
		DialContext:            d.dialPlain,
		DialTLSContext:         d.dialTLS,
		Protocols:              &protocols,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ExpectContinueTimeout:  expectContinue,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: c.PingAfter, PingTimeout: c.PingTimeout},
	}
	return d
}

// setDial is for connections that are made from now on.
func (d *dialer) setDial(dial dialFunc) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	d.dial.Store(&dial)
}

// mayHTTP2 reports whether a connection to t may turn out to be HTTP/2.
func (d *dialer) mayHTTP2(t target) bool {
	if t.name == "" {
		return d.transport.Protocols.UnencryptedHTTP2()
	}
	return slices.Contains(d.tls.NextProtos, "h2")
}

// open makes a connection to o.to.
func (d *dialer) open(ctx context.Context, o *opening) (*http.ClientConn, error) {
	scheme := "http"
	if o.to.name != "" {
		scheme = "https"
	} else {
		o.http2 = d.mayHTTP2(o.to)
	}
	return d.transport.NewClientConn(context.WithValue(ctx, openingKey{}, o), scheme, o.to.addr)
}

func (d *dialer) dialPlain(ctx context.Context, network, _ string) (net.Conn, error) {
	o, _ := ctx.Value(openingKey{}).(*opening)
	c, err := (*d.dial.Load())(ctx, network, o.to.addr)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, errors.New("the Dial function returned neither a connection nor an error")
	}
	o.wire = &wire{Conn: c}
	return o.wire, nil
}

func (d *dialer) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	o, _ := ctx.Value(openingKey{}).(*opening)
	c, err := d.dialPlain(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	config := d.tls
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName = o.to.name
	}
	t := tls.Client(c, config)
	if err := t.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	o.http2 = t.ConnectionState().NegotiatedProtocol == "h2"
	return t, nil
}

// A wire is the network connection below everything. It counts what was sent,
// so that it can be told whether a request can have reached the server.
type wire struct {
	net.Conn
	sent atomic.Int64
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if !isAlert(p) {
		w.sent.Add(int64(n))
	}
	return n, err
}

// CloseWrite ends one direction of an upgraded connection.
func (w *wire) CloseWrite() error {
	if c, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// isAlert reports whether p is the alert with which crypto/tls closes a
// connection, and so no part of a request: a record of type alert, or one of TLS
// 1.3, in which all records look like application data, with the two bytes of an
// alert. The first record of a request is longer (RFC 8446 section 5.2: 5 bytes
// of header, 2 of alert, 1 of type, 16 of authentication).
func isAlert(p []byte) bool {
	const alert, applicationData = 21, 23
	return len(p) > 0 && (p[0] == alert || p[0] == applicationData && len(p) == 24)
}
