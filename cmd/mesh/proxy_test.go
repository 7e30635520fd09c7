package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// server answers with its name; what /slow asks for it answers when told.
func server(t *testing.T, name string, slow <-chan struct{}) (port string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			http.NewResponseController(w).Flush()
			select {
			case <-slow:
			case <-r.Context().Done():
			}
		}
		io.WriteString(w, name)
	}))
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	require.NoError(t, err)
	return port
}

// sendTo is a document that sends requests for reviews to a port here.
func sendTo(port string) string {
	return strings.Replace(virtualService("reviews"), "{address: 127.0.0.1}", "{address: 127.0.0.1, ports: {http: "+port+"}}", 1)
}

// A process is a `mesh proxy` under test.
type process struct {
	command *exec.Cmd
	address string
	errs    *lines
	done    chan error
}

// lines keeps what a process says.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is all that was said.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start starts a proxy and waits until it is ready.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{errs: &lines{}, done: make(chan error, 1)}
	p.command = exec.Command(os.Args[0], append([]string{"proxy", "-listen", "127.0.0.1:0"}, args...)...)
	p.command.Env = append(os.Environ(), asMesh+"=1")
	p.command.Stderr = p.errs
	require.NoError(t, p.command.Start())
	go func() { p.done <- p.command.Wait() }()
	t.Cleanup(func() { p.command.Process.Kill() })
	p.says(t, "ready on ")
	_, after, _ := strings.Cut(p.errs.String(), "ready on ")
	p.address, _, _ = strings.Cut(after, "\n")
	return p
}

// says waits until the process has said something.
func (p *process) says(t *testing.T, what string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(p.errs.String(), what) }, patience, 10*time.Millisecond, what)
}

// ends waits until the process has ended, well.
func (p *process) ends(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.done:
		require.NoError(t, err, p.errs.String())
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
}

// ask sends a request for the host reviews and gives the status and body.
func (p *process) ask(t *testing.T, path string) string {
	t.Helper()
	return p.askFor(t, "reviews", path, "")
}

// askFor sends a request for a host, with a token if there is one, and gives the
// status and body.
func (p *process) askFor(t *testing.T, host, path, token string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.address+path, nil)
	require.NoError(t, err)
	r.Host = host
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return fmt.Sprint(res.StatusCode, " ", string(body))
}

// becomes waits for an answer.
func (p *process) becomes(t *testing.T, want string) {
	t.Helper()
	require.Eventually(t, func() bool { return p.ask(t, "/") == want }, patience, 20*time.Millisecond, want)
}

func TestFilesThatChange(t *testing.T) {
	one, two := server(t, "one", nil), server(t, "two", nil)
	path := file(t, "mesh.yaml", sendTo(one))
	p := start(t, "-f", path)
	require.Equal(t, "200 one", p.ask(t, "/"))

	rewrite(t, path, sendTo(two))
	p.becomes(t, "200 two")

	rewrite(t, path, lost)
	p.says(t, "the last good ones stay in force")
	require.Equal(t, "200 two", p.ask(t, "/"))

	rewrite(t, path, sendTo(one))
	p.becomes(t, "200 one")
}

// TestLinksThatAreSwapped changes a folder as Kubernetes does that of a ConfigMap.
func TestLinksThatAreSwapped(t *testing.T) {
	one, two := server(t, "one", nil), server(t, "two", nil)
	folder := t.TempDir()
	for version, port := range map[string]string{"..1": one, "..2": two} {
		require.NoError(t, os.Mkdir(filepath.Join(folder, version), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, version, "mesh.yaml"), []byte(sendTo(port)), 0o600))
	}
	require.NoError(t, os.Symlink("..1", filepath.Join(folder, "..data")))
	require.NoError(t, os.Symlink(filepath.Join("..data", "mesh.yaml"), filepath.Join(folder, "mesh.yaml")))
	p := start(t, "-f", filepath.Join(folder, "mesh.yaml"))
	require.Equal(t, "200 one", p.ask(t, "/"))

	require.NoError(t, os.Symlink("..2", filepath.Join(folder, "..next")))
	require.NoError(t, os.Rename(filepath.Join(folder, "..next"), filepath.Join(folder, "..data")))
	p.becomes(t, "200 two")
}

func TestHangupReadsAgain(t *testing.T) {
	p := start(t, "-f", file(t, "mesh.yaml", sendTo(server(t, "one", nil))))
	require.NoError(t, p.command.Process.Signal(syscall.SIGHUP))
	p.says(t, "new resources are in force")
	require.Equal(t, "200 one", p.ask(t, "/"))
}

func TestSeveralFiles(t *testing.T) {
	one := server(t, "one", nil)
	services := file(t, "services.yaml", sendTo(one))
	rules := file(t, "rules.yaml", `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: [web.example.com]
  http: [{match: [{sourceLabels: {app: web}}], directResponse: {status: 418}}]
`)
	p := start(t, "-f", services, rules, "-labels", "app=web,version=v1")
	require.Equal(t, "200 one", p.ask(t, "/"))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.address, nil)
	require.NoError(t, err)
	r.Host = "web.example.com"
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusTeapot, res.StatusCode)
}

// TestTermination ends a proxy with a request under way: it is answered and
// logged, and the process ends well.
func TestTermination(t *testing.T) {
	slow := make(chan struct{})
	log := filepath.Join(t.TempDir(), "access.log")
	p := start(t, "-f", file(t, "mesh.yaml", sendTo(server(t, "one", slow))), "-access-log", log,
		"-access-log-format", `{"path": "%REQ(:PATH)%", "code": "%RESPONSE_CODE%", "to": "%UPSTREAM_CLUSTER_RAW%"}`)
	require.Equal(t, "200 one", p.ask(t, "/"))

	c, err := net.Dial("tcp", p.address)
	require.NoError(t, err)
	defer c.Close()
	fmt.Fprint(c, "GET /slow HTTP/1.1\r\nHost: reviews\r\n\r\n")
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)

	require.NoError(t, p.command.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { // nobody is let in any more
		c, err := net.Dial("tcp", p.address)
		if err == nil {
			c.Close()
		}
		return err != nil
	}, patience, 10*time.Millisecond)
	close(slow)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "one", string(body))
	p.ends(t)

	text, err := os.ReadFile(log)
	require.NoError(t, err)
	var paths []string
	for line := range strings.Lines(string(text)) {
		var entry struct {
			Path, To string
			Code     int
		}
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		require.Equal(t, 200, entry.Code)
		require.Equal(t, "outbound|80||reviews.default.svc.cluster.local", entry.To)
		paths = append(paths, entry.Path)
	}
	require.Equal(t, []string{"/", "/slow"}, paths)
}

// TestTerminationDoesNotWaitForEver has a request that never ends.
func TestTerminationDoesNotWaitForEver(t *testing.T) {
	log := filepath.Join(t.TempDir(), "access.log")
	p := start(t, "-f", file(t, "mesh.yaml", sendTo(server(t, "one", nil))), "-access-log", log, "-access-log-format", "%REQ(:PATH)% %RESPONSE_FLAGS%\n")
	c, err := net.Dial("tcp", p.address)
	require.NoError(t, err)
	defer c.Close()
	fmt.Fprint(c, "GET /slow HTTP/1.1\r\nHost: reviews\r\n\r\n")
	_, err = http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	began := time.Now()
	require.NoError(t, p.command.Process.Signal(syscall.SIGTERM))
	p.ends(t)
	require.Less(t, time.Since(began), 8*time.Second)
	require.Less(t, drainFor+lastLines, 5*time.Second, "who sends it kills what is there after five")
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, "/slow DC\n", string(text))
}
