package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// file writes a file in a folder of the test and gives its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// rewrite changes a file at once: who watches it never sees a part of it.
func rewrite(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.Rename(file(t, "aside", text), path))
}

// virtualService is a document of a service and a rule for it.
func virtualService(host string) string {
	return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ` + host + `, namespace: default}
spec:
  hosts: [` + host + `.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ` + host + `, namespace: default}
spec:
  hosts: [` + host + `]
  http: [{route: [{destination: {host: ` + host + `}}]}]
`
}

// lost is a document with an error on line 6.
const lost = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: lost, namespace: shop}
spec:
  hosts: [lost.example.com]
  http: [{timeout: 0s, route: [{destination: {host: nobody}}]}]
`

// warned is a document that Istio takes with a warning.
const warned = `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: warned, namespace: default}
spec:
  host: reviews
  trafficPolicy: {outlierDetection: {consecutiveErrors: 5}}
`

func TestAnalyze(t *testing.T) {
	clean := file(t, "clean.yaml", virtualService("reviews"))
	warnings := file(t, "warnings.yaml", virtualService("reviews")+warned)
	wrong := file(t, "wrong.yaml", lost)
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		says   string // empty: nothing at all
	}{
		{"a clean file", []string{clean}, exitOK, ""},
		{"no findings as JSON", []string{"-o", "json", clean}, exitOK, "[]\n"},
		{"no findings as YAML", []string{"-o", "yaml", clean}, exitOK, "[]\n"},
		{"a warning is no error", []string{warnings}, exitOK, "Warning [IST0133] (DestinationRule default/warned " + warnings + ":"},
		{"an error", []string{wrong}, exitFindings, "Error [IST0106] (VirtualService shop/lost " + wrong + ":6) "},
		{"one of several files", []string{clean, wrong}, exitFindings, "Error [IST0106]"},
		{"a folder", []string{filepath.Dir(wrong)}, exitFindings, "Error [IST0106]"},
		{"a file that is not there", []string{clean, "/no/such/file"}, exitUnreadable, "/no/such/file"},
		{"a file that is no YAML", []string{file(t, "x.yaml", "{")}, exitUnreadable, "MESH0001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := invoke(t, append([]string{"analyze"}, tt.args...)...)
			require.Equal(t, tt.status, status, stderr)
			require.Contains(t, stdout, tt.says)
			if tt.says == "" {
				require.Empty(t, stdout)
			}
		})
	}
}

func TestFormsOfFindings(t *testing.T) {
	path := file(t, "wrong.yaml", lost)
	var fromJSON, fromYAML []map[string]any
	_, stdout, _ := invoke(t, "analyze", "-o", "json", path)
	require.NoError(t, json.Unmarshal([]byte(stdout), &fromJSON))
	_, stdout, _ = invoke(t, "analyze", "-o", "yaml", path)
	require.NoError(t, yaml.Unmarshal([]byte(stdout), &fromYAML))
	require.Equal(t, fromJSON, fromYAML)
	require.NotEmpty(t, fromJSON)
	for _, finding := range fromJSON {
		for _, key := range []string{"code", "level", "message", "origin", "reference"} {
			require.Contains(t, finding, key)
		}
		require.Len(t, finding, 5)
	}
	i := slices.IndexFunc(fromJSON, func(f map[string]any) bool { return f["code"] == "IST0106" })
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, "Error", fromJSON[i]["level"])
	require.Equal(t, "VirtualService shop/lost", fromJSON[i]["origin"])
	require.Equal(t, path+":6", fromJSON[i]["reference"])
}

func TestAnalyzeReadsItsInput(t *testing.T) {
	c := exec.CommandContext(t.Context(), os.Args[0], "analyze", "-")
	c.Env = append(os.Environ(), asMesh+"=1")
	c.Stdin = strings.NewReader(lost)
	out, err := c.Output()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, exitFindings, exit.ExitCode())
	require.Contains(t, string(out), "IST0106")
}
