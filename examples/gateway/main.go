// Command gateway serves a Gateway and the VirtualServices bound to it, over HTTP
// and HTTPS.
package main

import (
	"crypto/x509"
	_ "embed"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/examples/internal/demo"
	"github.com/sidecarless/mesh/internal/certtest"
)

//go:embed mesh.yaml
var resources string

// requests are URLs, and what should be answered.
var requests = []struct {
	url    string
	status int
	answer string // the text, or where a redirect leads
}{
	{"http://app.example.com/start", 301, "https://app.example.com/start"},
	{"https://app.example.com/start", 200, "pages /start"},
	{"https://app.example.com/api/users", 200, "api /users"},
	{"http://other.example.com/", 404, ""},
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("gateway: ", err)
	}
}

func run() error {
	pods, err := demo.Start(map[string]http.Handler{"10.0.1.1:8080": tells("pages"), "10.0.2.1:8080": tells("api")})
	if err != nil {
		return err
	}
	defer pods.Close()
	config, err := istio.Parse("mesh.yaml", strings.NewReader(resources))
	if err != nil {
		return err
	}

	// The certificate that the Gateway calls app-tls. In a cluster it comes from a
	// secret, mounted as a folder: GatewayConfig.CredentialDir.
	ca := certtest.NewCA()
	cert, key := ca.Issue("spiffe://cluster.local/ns/istio-system/sa/gateway", func(c *x509.Certificate) {
		c.DNSNames = []string{"app.example.com"}
	})
	gateway, err := istio.NewGateway(config, istio.GatewayConfig{
		Workload:    istio.Workload{Labels: map[string]string{"istio": "ingressgateway"}},
		Credentials: func(string) (istio.Credential, error) { return istio.Credential{Certificate: cert, Key: key}, nil },
		Dial:        pods.Dial,
	})
	if err != nil {
		return err
	}
	defer gateway.Close()

	// A server for each port. Here the system chooses the real ones.
	addresses := map[string]string{}
	plain, secure := gateway.Ports()
	for _, port := range append(plain, secure...) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := &http.Server{
			Handler: gateway.Handler(port), TLSConfig: gateway.TLSConfig(port),
			ErrorLog: log.New(io.Discard, "", 0), // of names that no server has
		}
		defer server.Close()
		if server.TLSConfig == nil {
			addresses["http"] = listener.Addr().String()
			go server.Serve(listener) // until Close
		} else {
			addresses["https"] = listener.Addr().String()
			go server.ServeTLS(listener, "", "")
		}
	}

	client := browser(ca.PEM, addresses)
	defer client.CloseIdleConnections()
	for _, r := range requests {
		res, answer, err := demo.Get(client, r.url)
		if err != nil {
			return err
		}
		if to := res.Header.Get("Location"); to != "" {
			answer = to
		}
		fmt.Printf("%-35s  %d  %s\n", r.url, res.StatusCode, answer)
		if res.StatusCode != r.status || answer != r.answer {
			return fmt.Errorf("%s: %d %q, not %d %q", r.url, res.StatusCode, answer, r.status, r.answer)
		}
	}
	if _, _, err := demo.Get(client, "https://other.example.com/"); err == nil {
		return fmt.Errorf("there was a certificate for other.example.com")
	}
	fmt.Printf("%-35s  no server has this name\n", "https://other.example.com/")
	return nil
}

// tells is a service that tells its name and the path it was asked for.
func tells(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name, " ", r.URL.Path) })
}
