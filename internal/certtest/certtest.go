// Package certtest makes certificates of workloads for tests and examples.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// A CA signs certificates.
type CA struct {
	PEM []byte // its own certificate

	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// NewCA makes a root, or with change a certificate of a root's that is not as it
// should be.
func NewCA(change ...func(*x509.Certificate)) *CA { return newCA(nil, change) }

// Sub is a CA below ca.
func (ca *CA) Sub(change ...func(*x509.Certificate)) *CA { return newCA(ca, change) }

func newCA(parent *CA, change []func(*x509.Certificate)) *CA {
	template := &x509.Certificate{
		Subject: pkix.Name{Organization: []string{"cluster.local"}}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	ca := new(CA)
	ca.cert, ca.key = sign(parent, template, change)
	ca.PEM = encode("CERTIFICATE", ca.cert.Raw)
	return ca
}

// Issue makes a certificate with a SPIFFE id and its key, both as PEM. Changes to
// it are made before it is signed.
func (ca *CA) Issue(id string, change ...func(*x509.Certificate)) (certPEM, keyPEM []byte) {
	u, err := url.Parse(id)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		URIs: []*url.URL{u}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	cert, key := sign(ca, template, change)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return encode("CERTIFICATE", cert.Raw), encode("PRIVATE KEY", der)
}

// Revoke makes a list of revoked certificates, as PEM, of those given as PEM. A
// change to it is made before it is signed.
func (ca *CA) Revoke(certs [][]byte, change ...func(*x509.RevocationList)) []byte {
	now := time.Now()
	list := &x509.RevocationList{Number: big.NewInt(now.UnixNano()), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour)}
	for _, text := range certs {
		block, _ := pem.Decode(text)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			panic(err)
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: now})
	}
	for _, f := range change {
		f(list)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.cert, ca.key)
	if err != nil {
		panic(err)
	}
	return encode("X509 CRL", der)
}

// Write makes a certificate and writes it, its key and the root into files of dir,
// which it names.
func (ca *CA) Write(dir, id string, change ...func(*x509.Certificate)) (certFile, keyFile, rootsFile string) {
	cert, key := ca.Issue(id, change...)
	put := func(name string, content []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			panic(err)
		}
		return file
	}
	return put("cert.pem", cert), put("key.pem", key), put("roots.pem", ca.PEM)
}

// sign signs a template with the key of ca, or with its own where there is none.
func sign(ca *CA, template *x509.Certificate, change []func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	now := time.Now()
	template.SerialNumber = big.NewInt(now.UnixNano())
	template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(24*time.Hour)
	for _, f := range change {
		f(template)
	}
	parent, signer := template, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert, key
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
