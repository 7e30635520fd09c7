package conformance

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/forward"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/internal/wiretest"
	"github.com/sidecarless/mesh/mtls"
)

// inbound is the sidecar of the case's server. The certificates of both sides are
// made for the play.
func (c *recording) inbound(config *istio.Config, s *servers, sink access.Sink) (*sidecar, error) {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // they are read once
	ca := certtest.NewCA()
	var files mtls.Config
	files.CertFile, files.KeyFile, files.RootsFile = ca.Write(dir, "spiffe://cluster.local/ns/"+c.Inbound.Namespace+"/sa/server")
	identity, err := mtls.New(files)
	if err != nil {
		return nil, err
	}
	server, err := istio.NewServer(config, istio.ServerConfig{
		Workload: istio.Workload{Namespace: c.Inbound.Namespace, Labels: c.Inbound.Labels},
		Identity: identity, Sinks: []access.Sink{sink}, ProxyHeaders: true,
	})
	if err != nil {
		return nil, err
	}
	app := net.JoinHostPort(c.Inbound.Address, strconv.Itoa(int(c.Inbound.Port)))
	transport := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return s.dial(ctx, network, app)
	}}
	return &sidecar{
		handler: forward.Door(server.Handler(forward.New(forward.Config{Client: plainly{transport}}))),
		listener: func(l net.Listener) net.Listener {
			return server.Listener(onPort{forward.Listener(l), c.Inbound.Port})
		},
		dial: func(ctx context.Context, to *wiretest.Loopback, id string) (net.Conn, error) {
			conn, err := to.Dial(ctx, "tcp", "proxy")
			if err != nil || id == "" {
				return conn, err
			}
			pair, err := tls.X509KeyPair(ca.Issue(id))
			if err != nil {
				return nil, err
			}
			// As another sidecar of the mesh does.
			over := tls.Client(conn, &tls.Config{
				Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true, NextProtos: []string{"istio-http/1.1", "istio", "http/1.1"},
			})
			return over, over.HandshakeContext(ctx)
		},
		stop: transport.CloseIdleConnections,
	}, nil
}

// plainly sends every request in plain text.
type plainly struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p plainly) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.WithContext(r.Context())
	u := *r.URL
	u.Scheme = "http"
	r.URL = &u
	return p.next.RoundTrip(r)
}

// onPort makes connections say that they came to the port of the case.
type onPort struct {
	net.Listener
	port uint16
}

// Accept implements net.Listener.
func (l onPort) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return portConn{c, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(l.port)}}, nil
}

type portConn struct {
	net.Conn
	local net.Addr
}

// LocalAddr implements net.Conn.
func (c portConn) LocalAddr() net.Addr { return c.local }
