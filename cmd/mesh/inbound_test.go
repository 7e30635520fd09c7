package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/certtest"
)

// securityFor is a mesh in which a workload takes one caller, over mutual TLS.
func securityFor(caller string) string {
	return `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: callers, namespace: shop}
spec: {rules: [{from: [{source: {serviceAccounts: [` + caller + `]}}]}]}
`
}

func TestTheSidecarOfAServer(t *testing.T) {
	ca := certtest.NewCA()
	cert, key, roots := ca.Write(t.TempDir(), "spiffe://cluster.local/ns/shop/sa/reviews")
	resources := file(t, "mesh.yaml", securityFor("frontend"))
	p := start(t, "-mode", "inbound", "-f", resources, "-namespace", "shop",
		"-app", "127.0.0.1:"+server(t, "reviews", nil), "-cert", cert, "-key", key, "-ca", roots)

	pair, err := tls.X509KeyPair(ca.Issue("spiffe://cluster.local/ns/shop/sa/frontend"))
	require.NoError(t, err)
	tr := &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	ask := func() (int, string) {
		res, err := (&http.Client{Transport: tr}).Get("https://" + p.address + "/")
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	status, body := ask()
	require.Equal(t, 200, status)
	require.Equal(t, "reviews", body)

	// What cannot be carried out changes nothing; what can comes into force.
	rewrite(t, resources, securityFor("'*'"))
	p.says(t, "a service account knows no wildcards")
	status, _ = ask()
	require.Equal(t, 200, status)
	rewrite(t, resources, securityFor("batch"))
	require.Eventually(t, func() bool { status, body = ask(); return status == 403 }, patience, 20*time.Millisecond)
	require.Equal(t, "RBAC: access denied", body)
	_, err = http.Get("http://" + p.address + "/")
	require.Error(t, err, "plain text")
}

func TestSidecarsOfServersThatDoNotStart(t *testing.T) {
	cert, key, roots := certtest.NewCA().Write(t.TempDir(), "spiffe://cluster.local/ns/shop/sa/reviews")
	f := file(t, "mesh.yaml", securityFor("frontend"))
	for _, c := range []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"no application", nil, exitUsage, "-app HOST:PORT"},
		{"a certificate without its key", []string{"-app", "127.0.0.1:1", "-cert", cert}, exitUsage, "belong together"},
		{"mutual TLS without a certificate", []string{"-app", "127.0.0.1:1"}, exitFailed, "needs an identity"},
		{"a key for a certificate", []string{"-app", "127.0.0.1:1", "-cert", key, "-key", key, "-ca", roots}, exitFailed, "does not go with its key"},
		{"no file", []string{"-app", "127.0.0.1:1", "-cert", filepath.Join(t.TempDir(), "none"), "-key", key, "-ca", roots}, exitFailed, "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, stderr := invoke(t, append([]string{"proxy", "-listen", "127.0.0.1:0", "-mode", "inbound", "-namespace", "shop", "-f", f}, c.args...)...)
			require.Equal(t, c.status, status, stderr)
			require.Contains(t, stderr, c.says)
		})
	}
}

func TestTheSidecarOfAServerKeepsToRateLimits(t *testing.T) {
	limited := func(status string) string {
		return `
apiVersion: mesh.sidecarless.dev/v1alpha1
kind: RateLimit
metadata: {name: reviews, namespace: shop}
spec:
  selector: {matchLabels: {app: reviews}}
  rules:
  - tokenBucket: {maxTokens: 2, fillInterval: 1000h}
    status: ` + status + `
    exempt: [{path: /healthz}]
`
	}
	resources := file(t, "mesh.yaml", limited("429"))
	p := start(t, "-mode", "inbound", "-f", resources, "-namespace", "shop", "-labels", "app=reviews",
		"-app", "127.0.0.1:"+server(t, "reviews", nil))
	for _, c := range []struct{ path, want string }{
		{"/", "200 reviews"}, {"/", "200 reviews"}, {"/", "429 local_rate_limited"}, {"/healthz", "200 reviews"}, {"/", "429 local_rate_limited"},
	} {
		require.Equal(t, c.want, p.ask(t, c.path))
	}

	rewrite(t, resources, limited("200"))
	p.says(t, "must be 400 to 599")
	require.Equal(t, "429 local_rate_limited", p.ask(t, "/"), "the last good one")
	rewrite(t, resources, limited("503"))
	p.becomes(t, "503 local_rate_limited") // and the bucket is still empty
}
