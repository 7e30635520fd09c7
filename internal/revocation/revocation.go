// Package revocation reads lists of revoked certificates (CRLs, RFC 5280 section 5)
// and asks them about the chains of a connection.
package revocation

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Lists are those of one or more authorities. Without any nothing is revoked.
type Lists []*x509.RevocationList

// Parse reads lists in PEM, at least one, and nothing else. A list that says what
// it means only in a critical extension, as those of changes do, is refused.
func Parse(text []byte) (Lists, error) {
	var all Lists
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			switch {
			case len(all) == 0:
				return nil, errors.New("holds no list of revoked certificates")
			case len(bytes.TrimSpace(rest)) > 0:
				return nil, fmt.Errorf("holds something behind list %d that is none", len(all))
			}
			return all, nil
		}
		one, err := x509.ParseRevocationList(block.Bytes)
		if err != nil || block.Type != "X509 CRL" {
			return nil, errors.Join(fmt.Errorf("holds a list %d that is none", len(all)+1), err)
		}
		for _, e := range one.Extensions {
			if e.Critical {
				return nil, fmt.Errorf("holds a list %d with the critical extension %v, which is not understood", len(all)+1, e.Id)
			}
		}
		all = append(all, one)
		text = rest
	}
}

// Check is nil if nothing of one of the chains is revoked. As with Envoy, every
// authority in a chain must have a list that is in time: who cannot tell whether a
// certificate is revoked does not accept it.
func (l Lists) Check(chains [][]*x509.Certificate, now time.Time) error {
	if len(l) == 0 {
		return nil
	}
	why := errors.New("no chain of certificates to look for in lists of revoked ones")
	for _, chain := range chains {
		if why = l.check(chain, now); why == nil {
			return nil
		}
	}
	return why
}

func (l Lists) check(chain []*x509.Certificate, now time.Time) error {
	for i, cert := range chain[:max(len(chain)-1, 0)] {
		issuer := chain[i+1]
		known := false
		for _, list := range l {
			if !bytes.Equal(list.RawIssuer, issuer.RawSubject) || list.CheckSignatureFrom(issuer) != nil {
				continue
			}
			if now.Before(list.ThisUpdate) || now.After(list.NextUpdate) {
				continue
			}
			known = true
			revoked := func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(cert.SerialNumber) == 0 }
			if slices.ContainsFunc(list.RevokedCertificateEntries, revoked) {
				return fmt.Errorf("the certificate %v of %v is revoked", cert.SerialNumber, issuer.Subject)
			}
		}
		if !known {
			return fmt.Errorf("no list in force says whether the certificate %v of %v is revoked", cert.SerialNumber, issuer.Subject)
		}
	}
	return nil
}
