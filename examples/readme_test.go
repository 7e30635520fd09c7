package examples_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// resources are a mesh.yaml for the README's first program.
const resources = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /reviews/}}]
    route: [{destination: {host: reviews}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.default.svc.cluster.local]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: %s}]
  endpoints: [{address: 127.0.0.1}]
`

// What a reader pastes first has to work as it stands.
func TestTheFirstProgramOfTheReadmeWorks(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(readme)
	require.NotNil(t, program)

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
	write("mesh.yaml", fmt.Appendf(nil, resources, port))

	// The program is built as if it stood here, where its imports are known.
	here, err := filepath.Abs("first")
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(here, "main.go"): write("main.go", program[1]),
	}})
	require.NoError(t, err)
	bin := filepath.Join(dir, "first")
	out, err := exec.Command("go", "build", "-overlay", write("overlay.json", overlay), "-o", bin, "./first").CombinedOutput()
	require.NoError(t, err, "%s", out)
	run := exec.Command(bin)
	run.Dir = dir
	out, err = run.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "200 OK\n", string(out))
}
