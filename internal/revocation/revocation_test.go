package revocation_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/internal/leak"
	"github.com/sidecarless/mesh/internal/revocation"
)

func TestMain(m *testing.M) { leak.Main(m) }

func certificate(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return c
}

func TestOneGoodChainIsEnough(t *testing.T) {
	ca := certtest.NewCA()
	bad, _ := ca.Issue("spiffe://a/ns/b/sa/c")
	good, _ := ca.Issue("spiffe://a/ns/b/sa/c")
	root := certificate(t, ca.PEM)
	l, err := revocation.Parse(ca.Revoke([][]byte{bad}))
	require.NoError(t, err)
	ofBad, ofGood := []*x509.Certificate{certificate(t, bad), root}, []*x509.Certificate{certificate(t, good), root}
	require.NoError(t, l.Check([][]*x509.Certificate{ofBad, ofGood}, time.Now()))
	require.ErrorContains(t, l.Check([][]*x509.Certificate{ofBad}, time.Now()), "is revoked")
	require.ErrorContains(t, l.Check([][]*x509.Certificate{ofGood}, time.Now().Add(2*time.Hour)), "no list in force")
	require.ErrorContains(t, l.Check([][]*x509.Certificate{ofGood}, time.Now().Add(-2*time.Hour)), "no list in force")
	require.Error(t, l.Check(nil, time.Now()), "no chain")
	require.NoError(t, revocation.Lists(nil).Check(nil, time.Now()), "no lists")
}

func TestListsThatAreNone(t *testing.T) {
	ca := certtest.NewCA()
	good := ca.Revoke(nil)
	// The critical extension of a list of changes (RFC 5280 section 5.2.4).
	delta := ca.Revoke(nil, func(l *x509.RevocationList) {
		l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}}
	})
	for name, text := range map[string][]byte{
		"nothing": nil, "text": []byte("x"), "a certificate": ca.PEM, "text behind": append(good[:len(good):len(good)], "x"...),
		"a certificate behind": append(good[:len(good):len(good)], ca.PEM...), "changes": delta,
		"broken": pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte("x")}),
	} {
		_, err := revocation.Parse(text)
		require.Error(t, err, name)
	}
	l, err := revocation.Parse(append(good, '\n'))
	require.NoError(t, err)
	require.Len(t, l, 1)
}

func FuzzParse(f *testing.F) {
	f.Add(certtest.NewCA().Revoke(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := revocation.Parse(text)
		require.Equal(t, err == nil, len(l) > 0)
	})
}
