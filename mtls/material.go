package mtls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/revocation"
)

// material is made of what a Source gave at one time, and is good.
type material struct {
	*Credentials
	id      ID
	domains []string // that are taken for this mesh's, its own first

	roots  map[string]*x509.CertPool // as Credentials.Roots
	least  uint16                    // version of TLS for a server
	server *tls.Config
}

// compile makes material of what was read. It reports every problem.
func compile(c *Config, k *Credentials) (*material, error) {
	l := check.List{Prefix: "mtls"}
	field, name := "CertFile", any(c.CertFile)
	if c.Source != nil {
		field, name = "Source", nil
	}
	m := &material{Credentials: k, roots: map[string]*x509.CertPool{}}
	var err error
	if len(k.Certificate.Certificate) == 0 || k.Certificate.Leaf == nil {
		l.Add(field, name, "gives no certificate")
	} else if m.id, err = idOf(k.Certificate.Leaf); err != nil {
		l.Add(field, name, "%v", err)
	} else if now, leaf := time.Now(), k.Certificate.Leaf; now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		l.Add(field, name, "is good from %v to %v", leaf.NotBefore, leaf.NotAfter)
	}
	m.domains = append([]string{c.TrustDomain}, c.Aliases...)
	if c.TrustDomain == "" {
		m.domains[0] = m.id.TrustDomain
	}
	known := false
	for domain, certs := range k.Roots {
		// Others may well be known, but are not taken for this mesh's.
		if domain == "" || slices.Contains(m.domains, domain) {
			m.roots[domain] = poolOf(certs)
			known = known || len(certs) > 0
		}
	}
	if !known && err == nil {
		l.Add(field, name, "gives no roots for the trust domains %q", m.domains)
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	m.least = max(c.MinVersion, tls.VersionTLS12)
	m.server = m.serverConfig()
	return m, nil
}

func poolOf(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

func (m *material) same(o *material) bool {
	return slices.EqualFunc(m.Certificate.Certificate, o.Certificate.Certificate, bytes.Equal) &&
		maps.EqualFunc(m.Roots, o.Roots, func(a, b []*x509.Certificate) bool {
			return slices.EqualFunc(a, b, (*x509.Certificate).Equal)
		}) &&
		slices.EqualFunc(m.Revoked, o.Revoked, func(a, b *x509.RevocationList) bool { return bytes.Equal(a.Raw, b.Raw) })
}

// serverConfig is for the connections that are made while m is in force.
func (m *material) serverConfig() *tls.Config {
	all := x509.NewCertPool()
	for domain := range m.roots {
		for _, c := range m.Roots[domain] {
			all.AddCert(c)
		}
	}
	return &tls.Config{
		MinVersion:   m.least,
		NextProtos:   alpn,
		Certificates: []tls.Certificate{m.Certificate},
		ClientCAs:    all,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		VerifyConnection: func(s tls.ConnectionState) error {
			// A session can be older than these roots, and one that signs for a trust
			// domain signs for no other.
			if s.DidResume || len(m.roots) > 1 || m.roots[""] == nil || len(m.Revoked) > 0 {
				_, err := m.verify(s, x509.ExtKeyUsageClientAuth)
				return err
			}
			_, err := m.peer(s.PeerCertificates[0])
			return err
		},
	}
}

// verify checks the certificate of the other side against the roots of its trust
// domain, and tells who it is.
func (m *material) verify(s tls.ConnectionState, use x509.ExtKeyUsage) (ID, error) {
	if len(s.PeerCertificates) == 0 {
		return ID{}, errors.New("mtls: no certificate")
	}
	id, err := m.peer(s.PeerCertificates[0])
	if err != nil {
		return ID{}, err
	}
	chains, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: m.rootsOf(id.TrustDomain), Intermediates: poolOf(s.PeerCertificates[1:]), KeyUsages: []x509.ExtKeyUsage{use},
	})
	if err != nil {
		return ID{}, &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	if err := revocation.Lists(m.Revoked).Check(chains, time.Now()); err != nil {
		return ID{}, fmt.Errorf("mtls: %w", err)
	}
	return id, nil
}

// rootsOf is never nil, which would stand for those of the system.
func (m *material) rootsOf(domain string) *x509.CertPool {
	for _, d := range [2]string{domain, ""} {
		if p := m.roots[d]; p != nil {
			return p
		}
	}
	return x509.NewCertPool()
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
