package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh/internal/check"
)

// Config says where a workload's identity comes from.
type Config struct {
	CertFile, KeyFile string // PEM: the chain with the workload's certificate first, and its key
	RootsFile         string // PEM: the roots that the mesh trusts
	RevokedFile       string // PEM: a list of revoked certificates (CRL) of each authority in a chain; empty: none is looked at

	// Source stands in place of the files, such as that of module mesh/spiffe.
	Source Source

	// TrustDomain is the one of this mesh; empty is that of the certificate.
	// Aliases are further ones that are taken for it, such as after a migration.
	TrustDomain string
	Aliases     []string

	// MinVersion is the least version of TLS for connections to this workload, of 1.2
	// and 1.3 as package crypto/tls numbers them; zero is 1.2. It is Istio's
	// meshMTLS.minProtocolVersion, and as there says nothing of what a client speaks.
	MinVersion uint16

	// Interval is how often Run looks for new files; zero is 10 s. A Source knows by
	// itself when it has changed.
	Interval time.Duration

	Logger *slog.Logger // of rotations and of files that are not good; nil is silent
}

// An Identity is a workload's certificate and the roots it trusts, as they are now.
// It is made by [New] and may be used by many goroutines.
type Identity struct {
	config Config
	source Source
	now    atomic.Pointer[material]
	update sync.Mutex // one at a time
}

// New reads the files, or asks the Source. It reports every problem with them.
func New(c Config) (*Identity, error) {
	l := check.List{Prefix: "mtls"}
	for _, f := range c.files().names {
		switch {
		case f.name == "" && c.Source == nil:
			l.Add(f.field, nil, "must name a file")
		case f.name != "" && c.Source != nil:
			l.Add(f.field, f.name, "stands beside Source, and only one of them can count")
		}
	}
	if c.RevokedFile != "" && c.Source != nil {
		l.Add("RevokedFile", c.RevokedFile, "stands beside Source, and only one of them can count")
	}
	c.checkChangeable(&l)
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
	i := &Identity{config: c, source: c.Source}
	if i.source == nil {
		i.source = c.files()
	}
	k, err := i.source.Read()
	if err != nil {
		return nil, err
	}
	m, err := compile(&i.config, k)
	if err != nil {
		return nil, err
	}
	i.now.Store(m)
	return i, nil
}

// checkChangeable checks what may change later.
func (c *Config) checkChangeable(l *check.List) {
	switch c.MinVersion {
	case 0, tls.VersionTLS12, tls.VersionTLS13:
	default:
		l.Add("MinVersion", tls.VersionName(c.MinVersion), "must be TLS 1.2 or 1.3")
	}
	if c.TrustDomain != "" && !trustDomain(c.TrustDomain) {
		l.Add("TrustDomain", c.TrustDomain, "is no trust domain")
	}
	for n, alias := range c.Aliases {
		if !trustDomain(alias) {
			l.Add(fmt.Sprintf("Aliases[%d]", n), alias, "is no trust domain")
		}
	}
}

// ID is who this workload is.
func (i *Identity) ID() ID { return i.now.Load().id }

// TrustDomains are those whose workloads are taken for ones of this mesh, its own
// first.
func (i *Identity) TrustDomains() []string { return slices.Clone(i.now.Load().domains) }

// Reload reads the files or asks the Source again, and takes what there is if all
// of it is good. With an error what was in force stays.
func (i *Identity) Reload() error {
	i.update.Lock()
	defer i.update.Unlock()
	k, err := i.source.Read()
	if err != nil {
		return err
	}
	return i.take(k)
}

// take puts what was read in force, if it is good. It is called with i.update held.
func (i *Identity) take(k *Credentials) error {
	m, err := compile(&i.config, k)
	if err != nil {
		return err
	}
	if m.same(i.now.Load()) {
		return nil
	}
	i.now.Store(m)
	i.config.Logger.Info("mtls: new certificate", "id", m.id.String(), "until", m.Certificate.Leaf.NotAfter)
	return nil
}

// SetTrustDomains changes [Config.TrustDomain] and Aliases, as when the mesh is told
// new ones: for connections that are made from now on, and for requests on those that
// are open. With an error nothing changes.
func (i *Identity) SetTrustDomains(own string, aliases ...string) error {
	return i.change(func(c *Config) { c.TrustDomain, c.Aliases = own, slices.Clone(aliases) })
}

// MinVersion is the least version of TLS for connections to this workload.
func (i *Identity) MinVersion() uint16 { return i.now.Load().least }

// SetMinVersion changes [Config.MinVersion] for connections that are made from now
// on. With an error nothing changes.
func (i *Identity) SetMinVersion(v uint16) error {
	return i.change(func(c *Config) { c.MinVersion = v })
}

func (i *Identity) change(change func(*Config)) error {
	i.update.Lock()
	defer i.update.Unlock()
	c := i.config
	change(&c)
	l := check.List{Prefix: "mtls"}
	c.checkChangeable(&l)
	if err := l.Err(); err != nil {
		return err
	}
	m, err := compile(&c, i.now.Load().Credentials)
	if err != nil {
		return err
	}
	i.config.TrustDomain, i.config.Aliases, i.config.MinVersion = c.TrustDomain, c.Aliases, c.MinVersion
	i.now.Store(m)
	return nil
}

// Run looks for new files, or watches the Source, until ctx ends. What is not good
// changes nothing and is reported once.
func (i *Identity) Run(ctx context.Context) error {
	said := ""
	return i.source.Watch(ctx, func(k *Credentials, err error) {
		if err == nil {
			i.update.Lock()
			err = i.take(k)
			i.update.Unlock()
		}
		switch {
		case err == nil:
			said = ""
		case err.Error() != said:
			said = err.Error()
			i.config.Logger.Error("mtls: what came is not good, the last good certificate and roots stay in force", "err", err)
		}
	})
}

// Client is a TLS configuration for connections to workloads that have one of the
// ids; to any workload of the mesh if none are given. Names of hosts play no part.
func (i *Identity) Client(accept ...ID) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &i.now.Load().Certificate, nil
		},
		// The name of the host says nothing about a workload; VerifyConnection checks
		// all that counts, also when a session is resumed.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			id, err := i.now.Load().verify(s, x509.ExtKeyUsageServerAuth)
			if err == nil && len(accept) > 0 && !slices.Contains(accept, id) {
				err = fmt.Errorf("mtls: the server is %v, which is not expected", id)
			}
			return err
		},
	}
}

// Server is a TLS configuration that demands a workload of the mesh at the other
// end. Its ALPN offers HTTP/2 and HTTP/1.1.
func (i *Identity) Server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: alpn,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return i.now.Load().server, nil
		},
	}
}

var alpn = []string{"h2", "http/1.1"}
