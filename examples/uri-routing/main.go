// Command uri-routing puts four services behind one host, by the path that is asked
// for, and rewrites the path for one of them.
package main

import (
	_ "embed"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/examples/internal/demo"
)

//go:embed mesh.yaml
var resources string

// requests are paths, and who should get them as what.
var requests = []struct{ path, want string }{
	{"/v2/products?page=2", "api-service v2 sees /products?page=2"},
	{"/v2/", "api-service v2 sees /"},
	{"/v2", "frontend-service sees /v2"}, // the prefix has a slash at its end
	{"/admin/users", "admin-service sees /admin/users"},
	{"/api/products", "api-service v1 sees /api/products"},
	{"/API/products", "frontend-service sees /API/products"},
	{"/index.html", "frontend-service sees /index.html"},
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("uri-routing: ", err)
	}
}

func run() error {
	pods, err := demo.Start(map[string]http.Handler{
		"10.0.1.1:8080": service("api-service v1"),
		"10.0.2.1:8080": service("api-service v2"),
		"10.0.3.1:8080": service("admin-service"),
		"10.0.4.1:8080": service("frontend-service"),
	})
	if err != nil {
		return err
	}
	defer pods.Close()

	config, err := istio.Parse("mesh.yaml", strings.NewReader(resources))
	if err != nil {
		return err
	}
	mesh, err := istio.NewClient(config, istio.ClientConfig{
		Workload: istio.Workload{Namespace: "production"},
		Dial:     pods.Dial,
	})
	if err != nil {
		return err
	}
	defer mesh.Close()
	client := &http.Client{Transport: mesh}

	for _, r := range requests {
		got, err := demo.Text(client, "http://api.example.com"+r.path)
		if err != nil {
			return err
		}
		fmt.Printf("%-20s  %s\n", r.path, got)
		if got != r.want {
			return fmt.Errorf("%s: want %s", r.path, r.want)
		}
	}
	return nil
}

// service answers with its name and the path that it was asked for.
func service(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, name+" sees "+r.RequestURI)
	})
}
