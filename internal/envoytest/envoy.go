package envoytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// An Envoy is a process that ends with the test that started it.
type Envoy struct {
	Admin string // HOST:PORT of its admin interface

	listeners map[string]string
}

// startup is how long an Envoy may take to be ready.
const startup = 20 * time.Second

// Start runs an Envoy with a bootstrap configuration in YAML until the test ends,
// and returns when its listeners take connections. The admin interface is added to
// the configuration; a listener whose port_value is 0 gets a free port, which
// [Envoy.Addr] tells. Options are further arguments of the command, such as
// --concurrency 2; without any it has one worker.
//
// Where no Envoy can be had the test fails if the environment variable CI is set;
// else the reason is logged and the answer is nil.
func Start(t testing.TB, config string, options ...string) *Envoy {
	t.Helper()
	path, err := Binary()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Log(err)
		return nil
	}
	e, err := start(t, path, config, options)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func start(t testing.TB, path, config string, options []string) (*Envoy, error) {
	dir := t.TempDir()
	bootstrap, admin := filepath.Join(dir, "bootstrap.yaml"), filepath.Join(dir, "admin")
	if err := os.WriteFile(bootstrap, []byte(config), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { log.Close() })
	if len(options) == 0 {
		options = []string{"--concurrency", "1"}
	}
	cmd := exec.Command(path, append([]string{
		"-c", bootstrap, "--config-yaml", "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}",
		"--admin-address-path", admin, "--disable-hot-restart", "--log-level", "warn",
	}, options...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("Envoy's log:\n%s", tail(log.Name()))
		}
	})
	return ready(admin, log.Name(), ended)
}

// ready waits until Envoy's listeners are open.
func ready(admin, log string, ended <-chan struct{}) (*Envoy, error) {
	deadline := time.After(startup)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return nil, fmt.Errorf("an Envoy that ended at once:\n%s", tail(log))
		case <-deadline:
			return nil, fmt.Errorf("an Envoy that is not ready after %v:\n%s", startup, tail(log))
		case <-tick.C:
		}
		addr, err := os.ReadFile(admin)
		if err != nil || len(addr) == 0 {
			continue
		}
		e := &Envoy{Admin: string(addr), listeners: map[string]string{}}
		if _, err := e.get("/ready"); err == nil {
			return e, e.learn()
		}
	}
}

// learn asks for the addresses of the listeners.
func (e *Envoy) learn() error {
	text, err := e.get("/listeners?format=json")
	if err != nil {
		return err
	}
	var all struct {
		Statuses []struct {
			Name         string
			LocalAddress struct {
				SocketAddress struct {
					Address   string
					PortValue int `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	for _, l := range all.Statuses {
		a := l.LocalAddress.SocketAddress
		e.listeners[l.Name] = net.JoinHostPort(a.Address, strconv.Itoa(a.PortValue))
	}
	return nil
}

// Addr is HOST:PORT of the listener with a name, empty if there is none.
func (e *Envoy) Addr(listener string) string { return e.listeners[listener] }

// get asks the admin interface.
func (e *Envoy) get(path string) ([]byte, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: startup}
	res, err := client.Get("http://" + e.Admin + path)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, res.Status)
	}
	return text, err
}

// tail is the end of a log.
func tail(file string) []byte {
	text, _ := os.ReadFile(file)
	lines := bytes.Split(text, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-40):], []byte("\n"))
}
