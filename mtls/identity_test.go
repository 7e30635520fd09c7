package mtls_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/mtls"
)

func TestAllProblemsAreReported(t *testing.T) {
	fields := func(err error) (all []string) {
		for p := range mesh.Problems(err) {
			all = append(all, p.Field)
		}
		return all
	}
	_, err := mtls.New(mtls.Config{TrustDomain: "A", Aliases: []string{"b", "c/d"}, MinVersion: tls.VersionTLS10, Interval: -1})
	require.Equal(t, []string{"mtls.CertFile", "mtls.KeyFile", "mtls.RootsFile", "mtls.MinVersion", "mtls.TrustDomain", "mtls.Aliases[1]", "mtls.Interval"}, fields(err))

	_, err = mtls.New(mtls.Config{CertFile: "no-cert", KeyFile: "no-key", RootsFile: "no-roots"})
	require.Equal(t, []string{"mtls.CertFile", "mtls.KeyFile", "mtls.RootsFile"}, fields(err))
}

func TestFilesThatAreNotGood(t *testing.T) {
	ca := certtest.NewCA()
	for _, c := range []struct {
		name   string
		change func(dir string, c *mtls.Config)
		field  string
	}{
		{"an expired certificate", func(dir string, c *mtls.Config) { ca.Write(dir, frontendID, expired) }, "mtls.CertFile"},
		{"a certificate not yet valid", func(dir string, c *mtls.Config) { ca.Write(dir, frontendID, notYet) }, "mtls.CertFile"},
		{"no SPIFFE id", func(dir string, c *mtls.Config) { ca.Write(dir, frontendID, uris()) }, "mtls.CertFile"},
		{"two SPIFFE ids", func(dir string, c *mtls.Config) { ca.Write(dir, frontendID, uris(frontendID, reviewsID)) }, "mtls.CertFile"},
		{"the key of another", func(dir string, c *mtls.Config) { c.KeyFile = newWorkload(t, ca, frontendID).config.KeyFile }, "mtls.CertFile"},
		{"half a certificate", func(dir string, c *mtls.Config) { cut(t, c.CertFile) }, "mtls.CertFile"},
		{"half a key", func(dir string, c *mtls.Config) { cut(t, c.KeyFile) }, "mtls.CertFile"},
		{"half a bundle", func(dir string, c *mtls.Config) { cut(t, c.RootsFile) }, "mtls.RootsFile"},
		{"a bundle and half a certificate", func(dir string, c *mtls.Config) {
			text := string(ca.PEM) + string(ca.PEM[:len(ca.PEM)/2])
			require.NoError(t, os.WriteFile(c.RootsFile, []byte(text), 0o600))
		}, "mtls.RootsFile"},
		{"a key for a bundle", func(dir string, c *mtls.Config) { c.RootsFile = c.KeyFile }, "mtls.RootsFile"},
		{"an empty bundle", func(dir string, c *mtls.Config) { require.NoError(t, os.WriteFile(c.RootsFile, nil, 0o600)) }, "mtls.RootsFile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorkload(t, ca, frontendID)
			c.change(w.dir, &w.config)
			_, err := mtls.New(w.config)
			var p *mesh.Problem
			require.ErrorAs(t, err, &p)
			require.Equal(t, c.field, p.Field)
		})
	}
}

func cut(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, content[:len(content)/2], 0o600))
}

func TestTrustDomains(t *testing.T) {
	ca := certtest.NewCA()
	w := newWorkload(t, ca, frontendID)
	require.Equal(t, mtls.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "frontend"}, w.ID())
	require.Equal(t, []string{"cluster.local"}, w.TrustDomains())

	w.config.TrustDomain, w.config.Aliases = "new.local", []string{"cluster.local"}
	var err error
	w.Identity, err = mtls.New(w.config)
	require.NoError(t, err)
	require.Equal(t, []string{"new.local", "cluster.local"}, w.TrustDomains())
	addr := w.server(t, mtls.Strict)
	for id, admitted := range map[string]bool{
		frontendID: true, "spiffe://new.local/ns/shop/sa/frontend": true, "spiffe://old.local/ns/shop/sa/frontend": false,
	} {
		pair := issue(t, ca, id)
		_, err := get(t, addr, &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true}, false)
		require.Equal(t, admitted, err == nil, "%s: %v", id, err)
	}
}

func forEver(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Now().AddDate(100, 0, 0)
}

// New files count from the next connection on; bad ones do not, and are told once.
func TestRotation(t *testing.T) {
	oldCA, newCA := certtest.NewCA(), certtest.NewCA()
	w := newWorkload(t, oldCA, frontendID)
	oldCA.Write(w.dir, frontendID, forEver) // synctest begins long ago
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		w.config.Logger = slog.New(slog.NewTextHandler(&said, nil))
		w.config.Interval = time.Minute
		identity, err := mtls.New(w.config)
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- identity.Run(ctx) }()
		after := func(d time.Duration) mtls.ID {
			time.Sleep(d)
			synctest.Wait()
			return identity.ID()
		}
		require.Equal(t, "frontend", after(time.Minute).ServiceAccount)
		require.Empty(t, said.String(), "nothing has changed")

		cut(t, w.config.CertFile)
		require.Equal(t, "frontend", after(5*time.Minute).ServiceAccount, "the last good ones stay in force")
		require.Equal(t, 1, strings.Count(said.String(), "level=ERROR"), "and that is told once: %s", said.String())

		newCA.Write(w.dir, reviewsID, forEver)
		require.Equal(t, "reviews", after(time.Minute).ServiceAccount)
		require.Contains(t, said.String(), "new certificate")

		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

func TestServersAndClientsTakeNewCertificates(t *testing.T) {
	oldCA, newCA := certtest.NewCA(), certtest.NewCA()
	server, caller := newWorkload(t, oldCA, reviewsID), newWorkload(t, oldCA, frontendID)
	addr := server.server(t, mtls.Strict)
	config := caller.Client(server.ID())
	ask := func() error { _, err := get(t, addr, config, false); return err }
	require.NoError(t, ask())

	newCA.Write(server.dir, reviewsID)
	require.NoError(t, server.Reload())
	require.Error(t, ask(), "the caller does not know the new root")
	newCA.Write(caller.dir, frontendID)
	require.NoError(t, caller.Reload())
	require.NoError(t, ask())
}
