package build

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/revocation"
	"github.com/sidecarless/mesh/mtls"
	"github.com/sidecarless/mesh/upstream"
)

// clientTLS carries out trafficPolicy.tls; nil is plain text.
func clientTLS(l *check.List, t *plan.Target, identity *mtls.Identity) *tls.Config {
	s := t.Policy.TLS
	if s == nil || s.Mode == networking.ClientTLSSettings_DISABLE {
		return nil
	}
	var sub check.List
	defer func() { l.Include("tls", sub.Err()) }()
	if s.Mode == networking.ClientTLSSettings_ISTIO_MUTUAL {
		return workloadTLS(&sub, t, identity)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.Sni, InsecureSkipVerify: s.InsecureSkipVerify.GetValue()}
	var roots *rootsFile
	if s.CaCertificates != "" && s.CaCertificates != "system" {
		roots = &rootsFile{name: s.CaCertificates}
		if err := roots.read(); err != nil {
			sub.Add("caCertificates", s.CaCertificates, "cannot be used: %v", err)
		}
	}
	if s.Mode == networking.ClientTLSSettings_MUTUAL {
		k := &keyPair{cert: s.ClientCertificate, key: s.PrivateKey}
		if err := k.read(); err != nil {
			sub.Add("clientCertificate", s.ClientCertificate, "cannot be used: %v", err)
		}
		c.GetClientCertificate = k.certificate
	}
	var revoked *listsFile
	if s.CaCrl != "" {
		revoked = &listsFile{name: s.CaCrl}
		if err := revoked.read(); err != nil {
			sub.Add("caCrl", s.CaCrl, "cannot be used: %v", err)
		}
	}
	names := s.SubjectAltNames
	if len(names) == 0 {
		names = t.Service.SANs
	}
	if (len(names) > 0 || roots != nil || revoked != nil) && !c.InsecureSkipVerify {
		verify(c, roots, revoked, names)
	}
	return c
}

// A rootsFile is the certificates that servers are trusted by, in a file that may be
// replaced at any time. Nil is those of the system.
type rootsFile struct {
	name string
	last atomic.Pointer[x509.CertPool] // that was good
}

func (f *rootsFile) read() error {
	pem, err := os.ReadFile(f.name)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return errors.New("it holds no certificate")
	}
	f.last.Store(pool)
	return nil
}

// now reads the file anew for each connection. One that is not good changes
// nothing.
func (f *rootsFile) now() *x509.CertPool {
	if f == nil {
		return nil
	}
	f.read()
	return f.last.Load()
}

// A listsFile is the lists of revoked certificates in a file that may be replaced at
// any time. Nil is none.
type listsFile struct {
	name string
	last atomic.Pointer[revocation.Lists] // that was good
}

func (f *listsFile) read() error {
	pem, err := os.ReadFile(f.name)
	if err != nil {
		return err
	}
	lists, err := revocation.Parse(pem)
	if err == nil {
		f.last.Store(&lists)
	}
	return err
}

// now reads the file anew for each connection. One that is not good changes
// nothing.
func (f *listsFile) now() revocation.Lists {
	if f == nil {
		return nil
	}
	f.read()
	return *f.last.Load()
}

// A keyPair is a client's certificate in files, which may be replaced at any time.
type keyPair struct {
	cert, key string
	last      atomic.Pointer[tls.Certificate] // that was good
}

func (k *keyPair) read() error {
	pair, err := tls.LoadX509KeyPair(k.cert, k.key)
	if err == nil {
		k.last.Store(&pair)
	}
	return err
}

// certificate reads the files anew for each connection. Files that are not good,
// such as those that are just being written, change nothing.
func (k *keyPair) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	k.read()
	return k.last.Load(), nil
}

// workloadTLS carries out the mode ISTIO_MUTUAL: with the workload's own certificate,
// to servers that have one of the names given, or else that of a service account of
// the target's endpoints, or else to any of the mesh.
func workloadTLS(l *check.List, t *plan.Target, identity *mtls.Identity) *tls.Config {
	if identity == nil {
		l.Add("mode", t.Policy.TLS.Mode.String(), "needs an identity, and the client has none")
		return nil
	}
	names := t.Policy.TLS.SubjectAltNames
	if len(names) == 0 {
		names = t.Service.Identities()
	}
	var accept []mtls.ID
	for _, name := range names {
		id, err := mtls.ParseID(name)
		if err != nil {
			l.Add("subjectAltNames", name, "is no name of a workload: %v", err)
		}
		accept = append(accept, id)
	}
	c := identity.Client(accept...)
	c.ServerName = t.Policy.TLS.Sni
	// A sidecar that takes plain text as well knows the mesh's TLS by this name.
	c.NextProtos = []string{"istio"}
	switch protocolOf(t.Pool.GetHttp().GetH2UpgradePolicy(), t.Port.Protocol) {
	case upstream.HTTP2:
		c.NextProtos = append(c.NextProtos, "h2")
	case upstream.HTTP1:
		c.NextProtos = append(c.NextProtos, "http/1.1")
	default:
		c.NextProtos = append(c.NextProtos, "h2", "http/1.1")
	}
	return c
}

// verify checks servers against the roots of the moment: that they have one of the
// names, or else the one that they were asked by. It is done on resumption, too, so
// that no session outlives a root.
func verify(c *tls.Config, roots *rootsFile, revoked *listsFile, names []string) {
	c.InsecureSkipVerify = true // VerifyConnection does it
	c.VerifyConnection = func(s tls.ConnectionState) error {
		leaf := s.PeerCertificates[0]
		o := x509.VerifyOptions{Roots: roots.now(), Intermediates: x509.NewCertPool()}
		for _, cert := range s.PeerCertificates[1:] {
			o.Intermediates.AddCert(cert)
		}
		if len(names) == 0 {
			o.DNSName = s.ServerName
		}
		chains, err := leaf.Verify(o)
		if err == nil {
			err = revoked.now().Check(chains, time.Now())
		}
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
		}
		if len(names) == 0 {
			return nil
		}
		if slices.ContainsFunc(names, func(name string) bool { return certifies(leaf, name) }) {
			return nil
		}
		return &tls.CertificateVerificationError{
			UnverifiedCertificates: s.PeerCertificates,
			Err:                    x509.HostnameError{Certificate: leaf, Host: names[0]},
		}
	}
}

// certifies reports whether a certificate has a subject alternative name: a URI or a
// DNS name.
func certifies(cert *x509.Certificate, name string) bool {
	for _, u := range cert.URIs {
		if u.String() == name {
			return true
		}
	}
	return slices.Contains(cert.DNSNames, name)
}
