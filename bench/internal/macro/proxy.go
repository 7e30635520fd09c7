package macro

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed conf
var files embed.FS

var configs = template.Must(template.New("").Funcs(template.FuncMap{
	"host": hostOf, "port": portOf, "cluster": clusterOf,
}).ParseFS(files, "conf/*"))

// A cluster is some of a hop's destinations, by a name of their own.
type cluster struct {
	Name string
	Hop  hop
	To   []string
}

func clusterOf(name string, h hop, to []string) cluster { return cluster{name, h, to} }

func hostOf(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	return host
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// A hop is what a proxy is told: where to listen and where to send to.
type hop struct {
	Listen   []string // a proxy beside the caller has one, one beside the server as many as that
	To       []string
	HTTP2    bool
	Hostname string
	Accept   bool // TLS from the caller's side
	Connect  bool // TLS to the server's
	certificates
	Dir string

	app []string // what the server itself listens on in plain text
}

// A proxy is one that runs.
type proxy struct {
	process
	program *program
	listen  []string
	dir     string
}

// run starts a proxy with a configuration and waits until it serves.
func run(h hop, config, command string, args ...string) (*proxy, error) {
	dir, err := os.MkdirTemp("", "mesh-bench-")
	if err != nil {
		return nil, err
	}
	h.Dir, h.Hostname = dir, Hostname
	var text bytes.Buffer
	if err := configs.ExecuteTemplate(&text, config, h); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, config)
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(command, append(args, path)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	p := &proxy{listen: h.Listen, dir: dir}
	if p.program, err = begin(cmd); err != nil {
		return nil, err
	}
	if err := serves(p.program, h); err != nil {
		text, _ := os.ReadFile(log.Name())
		p.stop()
		return nil, fmt.Errorf("%s: %w\n%s", command, err, text)
	}
	p.process = family(cmd.Process.Pid)
	return p, nil
}

func (p *proxy) stop() {
	p.program.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	p.program.end()
	os.RemoveAll(p.dir) //nolint:errcheck // of temporary files
}

// startup is how long a proxy may take to serve.
const startup = 20 * time.Second

// serves waits until a proxy answers, or, where it speaks TLS, until it listens.
func serves(p *program, h hop) error {
	addr := h.Listen[0]
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!h.HTTP2)
	transport.Protocols.SetUnencryptedHTTP2(h.HTTP2)
	defer transport.CloseIdleConnections()
	try := func() error {
		if h.Accept {
			conn, err := net.Dial("tcp", addr)
			if err == nil {
				conn.Close()
			}
			return err
		}
		r, err := http.NewRequest(http.MethodGet, "http://"+addr+"/items/1", nil)
		if err != nil {
			return err
		}
		r.Host = Hostname
		res, err := transport.RoundTrip(r)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body) //nolint:errcheck // the status tells enough
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", res.Status)
		}
		return nil
	}
	for limit := time.Now().Add(startup); ; time.Sleep(20 * time.Millisecond) {
		err := try()
		if err == nil || time.Now().After(limit) {
			return err
		}
		select {
		case <-p.ended:
			return fmt.Errorf("it has ended: %v", p.cmd.ProcessState)
		default:
		}
	}
}

// free are addresses that nobody listens on.
func free(n int) ([]string, error) {
	all := make([]string, n)
	for i := range all {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		all[i] = l.Addr().String()
	}
	return all, nil
}

// found is the path of a program, looked for also where a user's PATH does not lead.
func found(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range strings.Fields("/usr/local/sbin /usr/sbin /sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}
