package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"time"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/mtls"
)

// A standIn is in the place of what a workload has and an explanation needs not: a
// certificate that nobody trusts, for any name.
type standIn struct {
	cert []byte // PEM, as key
	key  []byte
	mtls.Credentials
}

func newStandIn(id string) (*standIn, error) {
	uri, err := url.Parse(id)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
		URIs: []*url.URL{uri}, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	s := &standIn{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
	s.Certificate = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	s.Roots = map[string][]*x509.Certificate{"": {leaf}}
	return s, nil
}

// Read implements mtls.Source.
func (s *standIn) Read() (*mtls.Credentials, error) { return &s.Credentials, nil }

// Watch implements mtls.Source.
func (s *standIn) Watch(ctx context.Context, _ func(*mtls.Credentials, error)) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// identity is one of the mesh, whichever trust domains that has.
func (s *standIn) identity(config *istio.Config) (*mtls.Identity, error) {
	m := config.MeshConfig().Spec
	return mtls.New(mtls.Config{
		Source: s, TrustDomain: m.GetTrustDomain(), Aliases: m.GetTrustDomainAliases(), MinVersion: config.MinTLSVersion(),
	})
}

// credential is what any credentialName stands for.
func (s *standIn) credential(string) (istio.Credential, error) {
	return istio.Credential{Certificate: bytes.Clone(s.cert), Key: s.key, Roots: s.cert}, nil
}

// providers let in whatever policies with the action CUSTOM ask for.
func providers(config *istio.Config) map[string]func(*http.Request) (authz.Answer, error) {
	all := map[string]func(*http.Request) (authz.Answer, error){}
	for _, p := range config.AuthorizationPolicies() {
		if name := p.Spec.GetProvider().GetName(); name != "" {
			all[name] = func(*http.Request) (authz.Answer, error) { return authz.Answer{Allowed: true}, nil }
		}
	}
	return all
}
