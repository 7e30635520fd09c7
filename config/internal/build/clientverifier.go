package build

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sidecarless/mesh/internal/revocation"
)

// A clientVerifier says which clients may connect. It looks at the whole chain once
// more, since a session that is resumed may be older than the roots.
type clientVerifier struct {
	roots    *x509.CertPool
	revoked  revocation.Lists // of the authorities in a chain; without any none is looked at
	optional bool
	names    []string // subject alternative names, of which one is needed
	keys     []string // base64 of the SHA-256 of public keys,
	hashes   []string // and hex of those of certificates, of which one is needed
}

func (v *clientVerifier) verify(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		if v.optional {
			return nil
		}
		return errors.New("istio: a client certificate is needed")
	}
	leaf, between := s.PeerCertificates[0], x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: v.roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	if err := v.revoked.Check(chains, time.Now()); err != nil {
		return fmt.Errorf("istio: %w", err)
	}
	if len(v.names) > 0 && !slices.ContainsFunc(v.names, func(name string) bool { return certifies(leaf, name) }) {
		return errors.New("istio: the client certificate has none of the subjectAltNames")
	}
	if len(v.keys)+len(v.hashes) == 0 {
		return nil
	}
	key, hash := sha256.Sum256(leaf.RawSubjectPublicKeyInfo), sha256.Sum256(leaf.Raw)
	if slices.Contains(v.keys, base64.StdEncoding.EncodeToString(key[:])) || slices.Contains(v.hashes, hex.EncodeToString(hash[:])) {
		return nil
	}
	return errors.New("istio: the client certificate is none of those that verifyCertificateSpki and verifyCertificateHash accept")
}
