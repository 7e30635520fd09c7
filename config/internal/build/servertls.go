package build

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"hash"
	"os"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/revocation"
)

// A tlsReader reads what the tls of a server names. It sums up what it has read, so
// that a change can be told, and collects what is wrong.
type tlsReader struct {
	*Gateway
	check.List
	sum hash.Hash
}

// serverTLS carries out the tls of a Gateway's server that ends it.
func (g *Gateway) serverTLS(s *networking.ServerTLSSettings) (*certified, error) {
	l := tlsReader{g, check.List{Prefix: "tls"}, sha256.New()}
	c := &certified{Config: l.config(s)}
	l.sum.Sum(c.digest[:0])
	if err := l.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

func (l *tlsReader) config(s *networking.ServerTLSSettings) *tls.Config {
	c := &tls.Config{
		NextProtos:   []string{"h2", "http/1.1"},
		MinVersion:   versionOf(s.MinProtocolVersion, tls.VersionTLS12),
		MaxVersion:   versionOf(s.MaxProtocolVersion, tls.VersionTLS13),
		CipherSuites: suitesOf(s.CipherSuites),
	}
	if c.MinVersion > c.MaxVersion {
		l.Add("minProtocolVersion", s.MinProtocolVersion.String(), "is above maxProtocolVersion")
	}
	if s.Mode == networking.ServerTLSSettings_ISTIO_MUTUAL {
		if l.Identity == nil {
			l.Add("mode", s.Mode.String(), "is not carried out: the gateway has no identity")
			return nil
		}
		i := l.Identity.Server()
		i.NextProtos, i.MinVersion, i.MaxVersion, i.CipherSuites = c.NextProtos, c.MinVersion, c.MaxVersion, c.CipherSuites
		return i
	}
	credentials := l.credentials(s)
	for _, k := range credentials {
		pair, err := tls.X509KeyPair(k.Certificate, k.Key)
		if err != nil {
			l.Add(k.field, k.name, "cannot be used: %v", err)
		}
		c.Certificates = append(c.Certificates, pair)
	}
	if s.Mode != networking.ServerTLSSettings_SIMPLE {
		l.clients(c, s, credentials)
	}
	return c
}

// A credential is a Credential and where it was named.
type credential struct {
	Credential
	field, name string
}

// credentials are those that a server names. What cannot be had is reported.
func (l *tlsReader) credentials(s *networking.ServerTLSSettings) []credential {
	var all []credential
	names, field := s.CredentialNames, "credentialNames"
	if s.CredentialName != "" {
		names, field = []string{s.CredentialName}, "credentialName"
	}
	for _, name := range names {
		all = append(all, credential{l.named(field, name), field, name})
	}
	file := func(certificate, key string) {
		all = append(all, credential{
			Credential{Certificate: l.read("serverCertificate", certificate), Key: l.read("privateKey", key)},
			"serverCertificate", certificate,
		})
	}
	if s.ServerCertificate != "" {
		file(s.ServerCertificate, s.PrivateKey)
	}
	for _, pair := range s.TlsCertificates {
		file(pair.ServerCertificate, pair.PrivateKey)
	}
	if len(all) == 0 {
		l.Add("", nil, "names no certificate")
	}
	return all
}

// named is the credential of a name.
func (l *tlsReader) named(field, name string) Credential {
	if l.Credential == nil {
		l.Add(field, name, "is not known: the gateway was given no source of credentials")
		return Credential{}
	}
	c, err := l.Credential(name)
	if err != nil {
		l.Add(field, name, "cannot be had: %v", err)
	}
	l.note(c.Certificate, c.Key, c.Roots, c.Revoked)
	return c
}

func (l *tlsReader) read(field, name string) []byte {
	pem, err := os.ReadFile(name)
	if err != nil {
		l.Add(field, name, "cannot be read: %v", err)
	}
	l.note(pem)
	return pem
}

func (l *tlsReader) note(read ...[]byte) {
	for _, b := range read {
		fmt.Fprintf(l.sum, "%d:%s", len(b), b)
	}
}

// clients makes c ask for clients' certificates, which OPTIONAL_MUTUAL lets them
// leave out.
func (l *tlsReader) clients(c *tls.Config, s *networking.ServerTLSSettings, credentials []credential) {
	var roots, revoked []byte
	field := "caCertificates"
	switch {
	case s.CaCertCredentialName != "":
		field = "caCertCredentialName"
		k := l.named(field, s.CaCertCredentialName)
		roots, revoked = k.Roots, k.Revoked
	case s.CaCertificates != "":
		roots = l.read(field, s.CaCertificates)
	default:
		for _, k := range credentials {
			field = k.field
			if len(k.Roots) == 0 && l.Credential != nil {
				// Secrets may keep them apart, under this name.
				apart, _ := l.Credential(k.name + "-cacert")
				k.Roots, k.Revoked = apart.Roots, apart.Revoked
				l.note(k.Roots, k.Revoked)
			}
			roots, revoked = append(roots, k.Roots...), append(revoked, k.Revoked...)
		}
	}
	listed := field
	if s.CaCrl != "" {
		listed, revoked = "caCrl", l.read("caCrl", s.CaCrl)
	}
	v := clientVerifier{
		roots: x509.NewCertPool(), optional: s.Mode == networking.ServerTLSSettings_OPTIONAL_MUTUAL,
		names: s.SubjectAltNames, keys: s.VerifyCertificateSpki,
	}
	for _, hash := range s.VerifyCertificateHash {
		v.hashes = append(v.hashes, strings.ToLower(strings.ReplaceAll(hash, ":", "")))
	}
	if len(revoked) > 0 || s.CaCrl != "" {
		var err error
		if v.revoked, err = revocation.Parse(revoked); err != nil {
			l.Add(listed, nil, "%v", err)
		}
	}
	if !v.roots.AppendCertsFromPEM(roots) {
		l.Add(field, nil, "brings no certificate by which those of clients could be verified")
	}
	c.ClientCAs, c.ClientAuth = v.roots, tls.RequireAndVerifyClientCert
	if v.optional {
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	c.VerifyConnection = v.verify
}

func versionOf(v networking.ServerTLSSettings_TLSProtocol, auto uint16) uint16 {
	switch v {
	case networking.ServerTLSSettings_TLSV1_0:
		return tls.VersionTLS10
	case networking.ServerTLSSettings_TLSV1_1:
		return tls.VersionTLS11
	case networking.ServerTLSSettings_TLSV1_2:
		return tls.VersionTLS12
	case networking.ServerTLSSettings_TLSV1_3:
		return tls.VersionTLS13
	}
	return auto
}

// suites are OpenSSL's names of the suites of TLS 1.2 that crypto/tls has, which are
// those that Envoy's BoringSSL knows, but for those of PSK.
var suites = map[string]uint16{
	"ECDHE-ECDSA-AES128-GCM-SHA256": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-RSA-AES128-GCM-SHA256":   tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-ECDSA-AES256-GCM-SHA384": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-RSA-AES256-GCM-SHA384":   tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-ECDSA-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-CHACHA20-POLY1305":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-ECDSA-AES128-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	"ECDHE-RSA-AES128-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	"ECDHE-ECDSA-AES256-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	"ECDHE-RSA-AES256-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	"AES128-GCM-SHA256":             tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	"AES256-GCM-SHA384":             tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	"AES128-SHA":                    tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	"AES256-SHA":                    tls.TLS_RSA_WITH_AES_256_CBC_SHA,
	"DES-CBC3-SHA":                  tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA,
}

// KnowsSuite tells whether a cipher suite is known by that name.
func KnowsSuite(name string) bool {
	_, known := suites[name]
	return known
}

// suitesOf are the suites of a list; unknown names do not count, and without a
// known one the choice is that of crypto/tls.
func suitesOf(names []string) []uint16 {
	var ids []uint16
	for _, name := range names {
		if id, known := suites[name]; known && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
