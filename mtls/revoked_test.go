package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/mtls"
)

// A list of revoked certificates keeps callers out, and callers from servers, also
// where they resume a session that is older than the list.
func TestRevokedCertificates(t *testing.T) {
	ca := certtest.NewCA()
	server := newWorkload(t, ca, reviewsID)
	server.config.RevokedFile = filepath.Join(server.dir, "revoked.pem")
	revoke := func(list []byte) error {
		require.NoError(t, os.WriteFile(server.config.RevokedFile, list, 0o600))
		return server.Reload()
	}
	require.NoError(t, os.WriteFile(server.config.RevokedFile, ca.Revoke(nil), 0o600))
	var err error
	server.Identity, err = mtls.New(server.config)
	require.NoError(t, err)
	addr := server.server(t, mtls.Strict)

	bad, badKey := ca.Issue(frontendID)
	good, goodKey := ca.Issue(frontendID)
	try := func(cert, key []byte) error {
		_, err := get(t, addr, &tls.Config{Certificates: []tls.Certificate{pairOf(t, cert, key)}, InsecureSkipVerify: true}, false)
		return err
	}
	session := &tls.Config{
		Certificates: []tls.Certificate{pairOf(t, bad, badKey)}, InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
	for range 2 {
		_, err = get(t, addr, session, false)
		require.NoError(t, err)
	}
	require.NoError(t, try(good, goodKey))

	require.NoError(t, revoke(ca.Revoke([][]byte{bad})))
	require.Error(t, try(bad, badKey))
	_, err = get(t, addr, session, false)
	require.Error(t, err, "the session is older than the list")
	require.NoError(t, try(good, goodKey))

	// A server that shows a revoked certificate is not believed.
	me := newWorkload(t, ca, frontendID)
	me.config.RevokedFile = filepath.Join(me.dir, "revoked.pem")
	cert, err := os.ReadFile(server.config.CertFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(me.config.RevokedFile, ca.Revoke([][]byte{cert}), 0o600))
	me.Identity, err = mtls.New(me.config)
	require.NoError(t, err)
	_, err = get(t, addr, me.Client(), false)
	require.ErrorContains(t, err, "is revoked")

	// Who cannot tell lets nobody in.
	old := func(l *x509.RevocationList) { l.NextUpdate = time.Now().Add(-time.Minute) }
	require.NoError(t, revoke(ca.Revoke(nil, old)))
	require.Error(t, try(good, goodKey), "the list is out of date")
	require.NoError(t, revoke(certtest.NewCA().Revoke(nil)))
	require.Error(t, try(good, goodKey), "the list is another authority's")
	require.NoError(t, revoke(ca.Revoke(nil)))
	sub := ca.Sub()
	between, betweenKey := sub.Issue(frontendID)
	between = append(between, sub.PEM...)
	require.Error(t, try(between, betweenKey), "the authority between has no list")
	require.NoError(t, revoke(append(ca.Revoke(nil), sub.Revoke(nil)...)))
	require.NoError(t, try(between, betweenKey))
	require.NoError(t, revoke(append(ca.Revoke([][]byte{sub.PEM}), sub.Revoke(nil)...)))
	require.Error(t, try(between, betweenKey), "the authority between is revoked")

	// A list that is none changes nothing.
	require.NoError(t, revoke(ca.Revoke(nil)))
	require.ErrorContains(t, revoke([]byte("nothing")), "mtls.RevokedFile")
	require.ErrorContains(t, revoke(ca.PEM), "mtls.RevokedFile")
	require.NoError(t, try(good, goodKey))
}

func TestTrustDomainsMayChange(t *testing.T) {
	ca := certtest.NewCA()
	server := newWorkload(t, ca, reviewsID)
	addr := server.server(t, mtls.Strict)
	migrated := newWorkload(t, ca, "spiffe://new.local/ns/shop/sa/frontend")
	stays := newWorkload(t, ca, frontendID)
	as := func(w *workload) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{pairOf(t, read(t, w.config.CertFile), read(t, w.config.KeyFile))}, InsecureSkipVerify: true}
	}
	_, err := get(t, addr, as(migrated), false)
	require.Error(t, err)

	require.NoError(t, server.SetTrustDomains("new.local", "cluster.local"))
	require.Equal(t, []string{"new.local", "cluster.local"}, server.TrustDomains())
	for _, w := range []*workload{migrated, stays} {
		_, err = get(t, addr, as(w), false)
		require.NoError(t, err)
	}

	// A connection that is open loses the identity whose domain is no longer one.
	open := client(t, addr, as(stays), false)
	ask := func() string {
		res, err := open.Get("https://" + addr)
		require.NoError(t, err)
		defer res.Body.Close()
		body := make([]byte, 200)
		n, _ := res.Body.Read(body)
		return string(body[:n])
	}
	require.Equal(t, "HTTP/1.1 true cluster.local/ns/shop/sa/frontend", ask())
	require.NoError(t, server.SetTrustDomains("new.local"))
	require.Contains(t, ask(), "HTTP/1.1 false ")
	_, err = get(t, addr, as(stays), false)
	require.Error(t, err)

	// They stay when the files are read again, and a bad one changes nothing.
	require.NoError(t, server.Reload())
	require.Error(t, server.SetTrustDomains("New.Local"))
	require.Error(t, server.SetTrustDomains("new.local", "a/b"))
	require.Equal(t, []string{"new.local"}, server.TrustDomains())
	require.NoError(t, server.SetTrustDomains(""))
	require.Equal(t, []string{"cluster.local"}, server.TrustDomains())
}

func TestTheLeastVersionMayChange(t *testing.T) {
	ca := certtest.NewCA()
	server, caller := newWorkload(t, ca, reviewsID), newWorkload(t, ca, frontendID)
	addr := server.server(t, mtls.Strict)
	ask := func(most uint16) error {
		c := caller.Client()
		c.MaxVersion = most
		_, err := get(t, addr, c, false)
		return err
	}
	require.EqualValues(t, tls.VersionTLS12, server.MinVersion())
	require.NoError(t, ask(tls.VersionTLS12))
	require.NoError(t, server.SetMinVersion(tls.VersionTLS13))
	require.ErrorContains(t, ask(tls.VersionTLS12), "protocol version")
	require.NoError(t, ask(tls.VersionTLS13))

	// It stays when the files are read again, and a bad one changes nothing.
	require.NoError(t, server.Reload())
	require.ErrorContains(t, server.SetMinVersion(tls.VersionTLS11), "mtls.MinVersion")
	require.EqualValues(t, tls.VersionTLS13, server.MinVersion())
	require.NoError(t, server.SetMinVersion(0))
	require.NoError(t, ask(tls.VersionTLS12))
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return text
}
