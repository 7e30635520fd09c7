package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
)

// browser is a client that trusts a root, finds the gateway by the scheme and
// follows no redirects.
func browser(root []byte, addresses map[string]string) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				scheme := "http"
				if _, port, _ := net.SplitHostPort(address); port == "443" {
					scheme = "https"
				}
				return new(net.Dialer).DialContext(ctx, network, addresses[scheme])
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
