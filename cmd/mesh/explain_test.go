package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const explainedResources = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.example.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 8080, name: more, protocol: HTTP}]
  endpoints: [{address: 10.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews.example.com]
  http:
  - name: beta
    match: [{headers: {x-user: {exact: beta}}, method: {exact: POST}}]
    directResponse: {status: 204}
  - name: port
    match: [{port: 8080}]
    directResponse: {status: 205}
  - name: labels
    match: [{sourceLabels: {app: web}}]
    directResponse: {status: 206}
  - name: rest
    route: [{destination: {host: reviews.example.com}}]
`

func explainFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "mesh.yaml")
	require.NoError(t, os.WriteFile(path, []byte(explainedResources), 0o644))
	return path
}

func TestExplainFindsTheRule(t *testing.T) {
	path := explainFile(t)
	for want, args := range map[string][]string{
		"rule rest (":   {"http://reviews.example.com/x"},
		"rule beta (":   {"-H", "x-user: beta", "POST", "reviews.example.com/x"},
		"not rule beta": {"-H", "x-user: beta", "reviews.example.com/x"},
		"rule port (":   {"-port", "8080", "http://reviews.example.com/x"},
		"rule labels (": {"-labels", "app=web", "http://reviews.example.com:80/x"},
		"/y, port 80":   {"-H", "host: reviews.example.com", "http://127.0.0.1:80/y"},
	} {
		status, stdout, stderr := invoke(t, append([]string{"explain", "-f", path}, args...)...)
		require.Equal(t, exitOK, status, stderr)
		require.Contains(t, stdout, want)
	}
}

// guardedEdge is a server's policies and a gateway that needs certificates.
const guardedEdge = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: frontend, namespace: shop}
spec:
  rules:
  - from: [{source: {principals: [cluster.local/ns/shop/sa/frontend]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask, namespace: shop}
spec:
  action: CUSTOM
  provider: {name: somebody}
  rules: [{to: [{operation: {paths: [/ask]}}]}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop}
  - port: {number: 15443, name: mutual, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: ISTIO_MUTUAL}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: default}
spec:
  hosts: [shop.example.com]
  gateways: [edge]
  http: [{name: hello, directResponse: {status: 200}}]
`

func TestExplainNeedsNoCertificates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mesh.yaml")
	require.NoError(t, os.WriteFile(path, []byte(guardedEdge), 0o644))
	server := []string{"-mode", "inbound", "-namespace", "shop", "-labels", "app=reviews"}
	edge := []string{"-mode", "gateway", "-gateway", "default/edge"}
	for _, tt := range []struct {
		args []string
		says string
	}{
		{append(server, "http://reviews:9080/"), "the connection is refused"},
		{append(server, "-identity", "spiffe://cluster.local/ns/shop/sa/frontend", "http://reviews:9080/"), "GET reviews:9080/, port 9080, from cluster.local/ns/shop/sa/frontend\n"},
		{append(server, "-identity", "spiffe://cluster.local/ns/shop/sa/frontend", "http://reviews:9080/"), "\nallowed by ns[shop]-policy[frontend]\n"},
		{append(server, "-identity", "spiffe://cluster.local/ns/shop/sa/other", "http://reviews:9080/ask"), "CUSTOM by somebody policy ("},
		{append(server, "-identity", "spiffe://cluster.local/ns/shop/sa/other", "http://reviews:9080/ask"), "\n403: no policy allows it\n"},
		{append(edge, "https://shop.example.com/"), "server (" + path + ":27: Gateway default/edge)"},
		{append(edge, "https://shop.example.com/"), "rule hello ("},
		{append(edge, "https://other.example.com/"), "no server of a Gateway is for it"},
		{append(edge, "-port", "15443", "https://shop.example.com/"), "server (" + path + ":30: Gateway default/edge)"},
	} {
		status, stdout, stderr := invoke(t, append([]string{"explain", "-f", path}, tt.args...)...)
		require.Equal(t, exitOK, status, stderr)
		require.Contains(t, stdout, tt.says)
	}
}

func TestExplainWritesJSON(t *testing.T) {
	status, stdout, _ := invoke(t, "explain", "-f", explainFile(t), "-o", "json", "http://reviews.example.com/")
	require.Equal(t, exitOK, status)
	var e struct{ Rule struct{ Name string } }
	require.NoError(t, json.Unmarshal([]byte(stdout), &e))
	require.Equal(t, "rest", e.Rule.Name)
}

func TestExplainRefusesWhatItCannotUse(t *testing.T) {
	path := explainFile(t)
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("kind: [\n"), 0o644))
	for _, tt := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"http://a.com/"}, exitUsage, "-f is needed"},
		{[]string{"-f", path}, exitUsage, "[METHOD] URL"},
		{[]string{"-f", path, "GET", "http://a.com/", "more"}, exitUsage, "[METHOD] URL"},
		{[]string{"-f", path, "http:///x"}, exitUsage, "no host"},
		{[]string{"-f", path, "-o", "xml", "a.com"}, exitUsage, "-o xml"},
		{[]string{"-f", path, "-mode", "sideways", "a.com"}, exitUsage, "-mode sideways"},
		{[]string{"-f", path, "-mode", "gateway", "a.com"}, exitUnreadable, "no such Gateway"},
		{[]string{"-f", path, "-H", "x", "a.com"}, exitUsage, "is not 'name: value'"},
		{[]string{"-f", path, "-port", "70000", "a.com"}, exitUsage, "at most 65535"},
		{[]string{"-f", bad, "a.com"}, exitUnreadable, "bad.yaml:1"},
		{[]string{"-f", path + "x", "a.com"}, exitUnreadable, "cannot be read"},
		{[]string{"-h"}, exitOK, "usage: mesh explain"},
	} {
		status, _, stderr := invoke(t, append([]string{"explain"}, tt.args...)...)
		require.Equal(t, tt.status, status, "%v", tt.args)
		require.Contains(t, stderr, tt.says, "%v", tt.args)
	}
}

func TestCompletionScriptsAreRightForTheirShells(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		status, script, _ := invoke(t, "completion", shell)
		require.Equal(t, exitOK, status)
		for _, c := range commands {
			require.Contains(t, script, c.name, shell)
		}
		if _, err := exec.LookPath(shell); err == nil {
			path := filepath.Join(t.TempDir(), "script")
			require.NoError(t, os.WriteFile(path, []byte(script), 0o644))
			out, err := exec.Command(shell, "-n", path).CombinedOutput()
			require.NoError(t, err, string(out))
		}
	}
	for _, args := range [][]string{{"completion"}, {"completion", "tcsh"}, {"completion", "bash", "zsh"}} {
		status, _, stderr := invoke(t, args...)
		require.Equal(t, exitUsage, status)
		require.Contains(t, stderr, "usage: mesh completion")
	}
}
