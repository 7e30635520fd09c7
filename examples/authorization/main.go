// Command authorization lets one workload call some paths of a service, and nobody
// else anything.
package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/mtls"
)

//go:embed mesh.yaml
var resources string

// requests are those of the callers, and what should be answered.
var requests = []struct {
	caller, method, path string
	status               int
}{
	{"frontend", "GET", "/api/orders", 200},
	{"frontend", "POST", "/api/orders", 200},
	{"frontend", "DELETE", "/api/orders", 403},
	{"frontend", "GET", "/admin", 403},
	{"frontend", "GET", "/api/../admin", 403}, // judged as /admin
	{"frontend", "GET", "/x/../api/orders", 200},
	{"batch", "GET", "/api/orders", 403},
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("authorization: ", err)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "authorization")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// In a cluster the mesh's own authority gives each workload its certificate.
	ca := certtest.NewCA()
	identity := func(account string) (*mtls.Identity, error) {
		cert, key, roots := ca.Write(dir, "spiffe://cluster.local/ns/production/sa/"+account)
		return mtls.New(mtls.Config{CertFile: cert, KeyFile: key, RootsFile: roots})
	}

	config, err := istio.Parse("mesh.yaml", strings.NewReader(resources))
	if err != nil {
		return err
	}
	own, err := identity("backend")
	if err != nil {
		return err
	}
	mesh, err := istio.NewServer(config, istio.ServerConfig{
		Workload: istio.Workload{Namespace: "production", Labels: map[string]string{"app": "backend"}},
		Identity: own,
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mesh.Handler(http.HandlerFunc(orders)), ErrorLog: log.New(io.Discard, "", 0)}
	defer server.Close()
	go server.Serve(mesh.Listener(listener)) // until Close

	address := listener.Addr().String()
	for _, r := range requests {
		caller, err := identity(r.caller)
		if err != nil {
			return err
		}
		status, text, err := ask(caller, r.method, "https://"+address+r.path)
		if err != nil {
			return err
		}
		fmt.Printf("%-8s  %-6s  %-16s  %d  %s\n", r.caller, r.method, r.path, status, text)
		if status != r.status {
			return fmt.Errorf("%s %s by %s: %d, not %d", r.method, r.path, r.caller, status, r.status)
		}
	}
	if _, err := http.Get("http://" + address + "/api/orders"); err == nil {
		return errors.New("plain text was let in")
	}
	fmt.Println("nobody    GET     /api/orders       closed without an answer: plain text")
	fmt.Printf("%+v\n", mesh.Stats())
	return nil
}

// orders is the service.
func orders(w http.ResponseWriter, r *http.Request) {
	caller, _ := mtls.Peer(r)
	fmt.Fprint(w, "hello ", caller.ServiceAccount, ", this is ", r.URL.Path)
}
