package mtls_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/mtls"
)

const (
	frontendID = "spiffe://cluster.local/ns/shop/sa/frontend"
	reviewsID  = "spiffe://cluster.local/ns/shop/sa/reviews"
)

// A workload is an identity with the files that it comes from.
type workload struct {
	*mtls.Identity
	config mtls.Config
	dir    string
}

func newWorkload(t testing.TB, ca *certtest.CA, id string) *workload {
	t.Helper()
	w := &workload{dir: t.TempDir()}
	w.config.CertFile, w.config.KeyFile, w.config.RootsFile = ca.Write(w.dir, id)
	var err error
	w.Identity, err = mtls.New(w.config)
	require.NoError(t, err)
	return w
}

// server serves over w's listener, and answers who called.
func (w *workload) server(t testing.TB, mode mtls.Mode) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &http.Server{Protocols: new(http.Protocols), ErrorLog: log.New(io.Discard, "", 0), Handler: w.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, known := mtls.Peer(r)
		fmt.Fprint(w, r.Proto, " ", known, " ", id.Principal())
	}))}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	ended := make(chan error)
	go func() { ended <- s.Serve(w.Listener(l, func(uint16) mtls.Mode { return mode })) }()
	t.Cleanup(func() { s.Close(); <-ended })
	return l.Addr().String()
}

// client is one of a server at addr, with HTTP/2 or HTTP/1.1.
func client(t testing.TB, addr string, c *tls.Config, http2 bool) *http.Client {
	tr := &http.Transport{
		TLSClientConfig: c, Protocols: new(http.Protocols),
	}
	tr.Protocols.SetHTTP1(!http2)
	tr.Protocols.SetHTTP2(http2 && c != nil)
	tr.Protocols.SetUnencryptedHTTP2(http2 && c == nil)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// get asks a server over TLS, or in plain text without a configuration.
func get(t testing.TB, addr string, c *tls.Config, http2 bool) (string, error) {
	scheme := "https"
	if c == nil {
		scheme = "http"
	}
	cl := client(t, addr, c, http2)
	defer cl.CloseIdleConnections()
	res, err := cl.Get(scheme + "://" + addr)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// pairOf is a certificate as a client of crypto/tls holds it.
func pairOf(t testing.TB, cert, key []byte) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(cert, key)
	require.NoError(t, err)
	return pair
}

func issue(t testing.TB, ca *certtest.CA, id string) tls.Certificate {
	t.Helper()
	cert, key := ca.Issue(id)
	return pairOf(t, cert, key)
}
