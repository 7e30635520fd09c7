package mtls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sidecarless/mesh/internal/check"
)

// material is what was read from the files at one time, and is good.
type material struct {
	cert    tls.Certificate
	id      ID
	domains []string // that are taken for this mesh's, its own first
	roots   *x509.CertPool
	server  *tls.Config

	sources [3][]byte // to see whether files have changed
}

type file struct{ field, name string }

func (c *Config) files() [3]file {
	return [3]file{{"CertFile", c.CertFile}, {"KeyFile", c.KeyFile}, {"RootsFile", c.RootsFile}}
}

// read reads the files anew. It reports every problem with them.
func read(c Config) (*material, error) {
	l := check.List{Prefix: "mtls"}
	m := new(material)
	for n, f := range c.files() {
		var err error
		if m.sources[n], err = os.ReadFile(f.name); err != nil {
			l.Add(f.field, f.name, "cannot be read: %v", err)
		}
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	var err error
	if m.cert, err = tls.X509KeyPair(m.sources[0], m.sources[1]); err != nil {
		l.Add("CertFile", c.CertFile, "does not go with its key: %v", err)
	} else if m.id, err = idOf(m.cert.Leaf); err != nil {
		l.Add("CertFile", c.CertFile, "%v", err)
	} else if now, leaf := time.Now(), m.cert.Leaf; now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		l.Add("CertFile", c.CertFile, "is good from %v to %v", leaf.NotBefore, leaf.NotAfter)
	}
	if m.roots, err = pool(m.sources[2]); err != nil {
		l.Add("RootsFile", c.RootsFile, "%v", err)
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	own := c.TrustDomain
	if own == "" {
		own = m.id.TrustDomain
	}
	m.domains = append([]string{own}, c.Aliases...)
	m.server = m.serverConfig()
	return m, nil
}

// pool are all certificates of a file, which must hold nothing else.
func pool(text []byte) (*x509.CertPool, error) {
	p := x509.NewCertPool()
	for n := 0; ; n++ {
		block, rest := pem.Decode(text)
		if block == nil {
			switch {
			case n == 0:
				return nil, errors.New("holds no certificate")
			case len(bytes.TrimSpace(rest)) > 0:
				return nil, fmt.Errorf("holds something behind certificate %d that is none", n)
			}
			return p, nil
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("holds a certificate %d that is none: %w", n+1, err)
		}
		p.AddCert(c)
		text = rest
	}
}

func (m *material) same(o *material) bool {
	return slices.EqualFunc(m.sources[:], o.sources[:], bytes.Equal)
}

// serverConfig is for the connections that are made while m is in force.
func (m *material) serverConfig() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   alpn,
		Certificates: []tls.Certificate{m.cert},
		ClientCAs:    m.roots,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		VerifyConnection: func(s tls.ConnectionState) error {
			// A session can be older than these roots.
			if s.DidResume {
				if err := m.verifyChain(s, x509.ExtKeyUsageClientAuth); err != nil {
					return err
				}
			}
			_, err := m.peer(s.PeerCertificates[0])
			return err
		},
	}
}

// verifyChain checks the certificate of the other side against the roots.
func (m *material) verifyChain(s tls.ConnectionState, use x509.ExtKeyUsage) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("mtls: no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: m.roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{use},
	})
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	return nil
}

// peer is the workload that a verified certificate names.
func (m *material) peer(cert *x509.Certificate) (ID, error) {
	id, err := idOf(cert)
	if err == nil && !slices.Contains(m.domains, id.TrustDomain) {
		return ID{}, fmt.Errorf("mtls: %v is of a trust domain that this mesh does not take for its own", id)
	}
	return id, err
}

// idOf is the one SPIFFE id of a certificate (X.509-SVID sections 2 and 4).
func idOf(cert *x509.Certificate) (ID, error) {
	switch {
	case cert.IsCA:
		return ID{}, errors.New("mtls: a certificate that signs others is no workload's")
	case len(cert.URIs) != 1:
		return ID{}, fmt.Errorf("mtls: a certificate with %d URIs; a workload's has one", len(cert.URIs))
	}
	return ParseID(cert.URIs[0].String())
}
