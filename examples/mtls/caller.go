package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"

	"github.com/sidecarless/mesh/internal/certtest"
)

// caller is a client with any certificate, good or bad: an mtls.Identity would not
// take a bad one. It believes servers by the root of ca, whatever their names.
func caller(ca *certtest.CA, certificate tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate}, InsecureSkipVerify: true,
			VerifyConnection: func(s tls.ConnectionState) error {
				_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots})
				return err
			},
		},
	}}
}

// pair joins a certificate and its key.
func pair(cert, key []byte) tls.Certificate {
	p, err := tls.X509KeyPair(cert, key)
	if err != nil {
		panic(err) // they were made together
	}
	return p
}

// ask is what a server says.
func ask(client *http.Client, url string) (string, error) {
	res, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}
