package mtls

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh/internal/check"
)

// Config says where a workload's identity comes from.
type Config struct {
	CertFile, KeyFile string // PEM: the chain with the workload's certificate first, and its key
	RootsFile         string // PEM: the roots that the mesh trusts

	// TrustDomain is the one of this mesh; empty is that of the certificate.
	// Aliases are further ones that are taken for it, such as after a migration.
	TrustDomain string
	Aliases     []string

	// Interval is how often Run looks for new files; zero is 10 s.
	Interval time.Duration

	Logger *slog.Logger // of rotations and of files that are not good; nil is silent
}

// An Identity is a workload's certificate and the roots it trusts, as they are now.
// It is made by [New] and may be used by many goroutines.
type Identity struct {
	config  Config
	now     atomic.Pointer[material]
	aliases []string
}

// material is what was read from the files at one time.
type material struct {
	cert    tls.Certificate
	id      ID
	roots   *x509.CertPool
	sources [3][]byte // to see whether files have changed
}

// New reads the files. It reports every problem with them.
func New(c Config) (*Identity, error) {
	l := check.List{Prefix: "mtls"}
	for _, f := range [...]struct{ field, name string }{{"CertFile", c.CertFile}, {"KeyFile", c.KeyFile}, {"RootsFile", c.RootsFile}} {
		if f.name == "" {
			l.Add(f.field, nil, "must name a file")
		}
	}
	for _, td := range append([]string{c.TrustDomain}, c.Aliases...) {
		if td != "" && !trustDomain(td) {
			l.Add("TrustDomain", td, "is no trust domain")
		}
	}
	l.NotNegative("Interval", c.Interval)
	if err := l.Err(); err != nil {
		return nil, err
	}
	if c.Interval == 0 {
		c.Interval = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	i := &Identity{config: c}
	m, err := i.read()
	if err != nil {
		return nil, err
	}
	i.now.Store(m)
	i.aliases = append([]string{i.TrustDomain()}, c.Aliases...)
	return i, nil
}

// ID is who this workload is.
func (i *Identity) ID() ID { return i.now.Load().id }

// TrustDomain is the one of this mesh.
func (i *Identity) TrustDomain() string {
	if i.config.TrustDomain != "" {
		return i.config.TrustDomain
	}
	return i.now.Load().id.TrustDomain
}

// TrustDomains are those whose workloads are taken for ones of this mesh, its own
// first.
func (i *Identity) TrustDomains() []string { return slices.Clone(i.aliases) }

// read reads the files anew. What it returns is good.
func (i *Identity) read() (*material, error) {
	l := check.List{Prefix: "mtls"}
	var m material
	for n, f := range [...]struct{ field, name string }{
		{"CertFile", i.config.CertFile}, {"KeyFile", i.config.KeyFile}, {"RootsFile", i.config.RootsFile},
	} {
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
		l.Add("CertFile", i.config.CertFile, "does not go with its key: %v", err)
	} else if m.id, err = idOf(m.cert.Leaf); err != nil {
		l.Add("CertFile", i.config.CertFile, "%v", err)
	} else if now := time.Now(); now.After(m.cert.Leaf.NotAfter) {
		l.Add("CertFile", i.config.CertFile, "expired at %v", m.cert.Leaf.NotAfter)
	}
	m.roots = x509.NewCertPool()
	if !m.roots.AppendCertsFromPEM(m.sources[2]) {
		l.Add("RootsFile", i.config.RootsFile, "holds no certificate")
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	return &m, nil
}

// Reload reads the files again and takes what they hold if all of it is good. With
// an error what was in force stays.
func (i *Identity) Reload() error {
	m, err := i.read()
	if err != nil {
		return err
	}
	old := i.now.Load()
	if slices.EqualFunc(m.sources[:], old.sources[:], bytes.Equal) {
		return nil
	}
	i.now.Store(m)
	i.config.Logger.Info("mtls: new certificate", "id", m.id.String(), "until", m.cert.Leaf.NotAfter)
	return nil
}

// Run looks for new files until ctx ends. Files that are not good change nothing
// and are reported once.
func (i *Identity) Run(ctx context.Context) error {
	tick := time.NewTicker(i.config.Interval)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		err := i.Reload()
		switch {
		case err == nil:
			said = ""
		case err.Error() != said:
			said = err.Error()
			i.config.Logger.Error("mtls: the files are not good, the last good ones stay in force", "err", err)
		}
	}
}

// verify checks the other side of a connection against the roots of now: its
// chain, its use, and that it is a workload of one of the trust domains.
func (i *Identity) verify(s tls.ConnectionState, use x509.ExtKeyUsage) (ID, error) {
	if len(s.PeerCertificates) == 0 {
		return ID{}, errors.New("mtls: no certificate")
	}
	leaf := s.PeerCertificates[0]
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: i.now.Load().roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{use},
	})
	if err != nil {
		return ID{}, &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	id, err := idOf(leaf)
	if err != nil {
		return ID{}, err
	}
	if !slices.Contains(i.aliases, id.TrustDomain) {
		return ID{}, fmt.Errorf("mtls: %v is of a trust domain that this mesh does not take for its own", id)
	}
	return id, nil
}

// Client is a TLS configuration for connections to workloads that have one of the
// ids; to any workload of the mesh if none are given. Names of hosts play no part.
func (i *Identity) Client(accept ...ID) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &i.now.Load().cert, nil
		},
		// The name of the host says nothing about a workload; VerifyConnection checks
		// all that counts, also when a session is resumed.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			id, err := i.verify(s, x509.ExtKeyUsageServerAuth)
			if err != nil {
				return err
			}
			if len(accept) > 0 && !slices.Contains(accept, id) {
				return fmt.Errorf("mtls: the server is %v, which is not expected", id)
			}
			return nil
		},
	}
}

// Server is a TLS configuration that demands a workload of the mesh at the other
// end.
func (i *Identity) Server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"istio-http/1.1", "istio", "h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &i.now.Load().cert, nil
		},
		ClientAuth: tls.RequireAnyClientCert, // verified below, against the roots of now
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := i.verify(s, x509.ExtKeyUsageClientAuth)
			return err
		},
	}
}
