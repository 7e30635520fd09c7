// Command server-middleware wraps a service's own mux: with an access log, a bound
// on time, limits, a rewrite and faults, without YAML.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/examples/internal/demo"
	"github.com/sidecarless/mesh/fault"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/rewrite"
	"github.com/sidecarless/mesh/timeout"
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("server-middleware: ", err)
	}
}

func run() error {
	shop := http.NewServeMux()
	shop.HandleFunc("GET /products/{id}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "product "+r.PathValue("id"))
	})
	shop.HandleFunc("GET /report", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	exporting, export := make(chan struct{}), make(chan struct{})
	shop.HandleFunc("GET /export", func(w http.ResponseWriter, r *http.Request) {
		exporting <- struct{}{}
		<-export
	})

	deadline, err := timeout.New(timeout.Config{Total: 2 * time.Second})
	if err != nil {
		return err
	}
	limits, err := breaker.New(breaker.Config{Name: "shop", Limits: breaker.LimitsConfig{MaxRequests: 2}})
	if err != nil {
		return err
	}
	faults, err := fault.New(fault.Config{
		When:  match.Request{Headers: []match.Field{{Name: "X-Test-Scenario", Value: match.Exact("error")}}},
		Abort: fault.Abort{Share: mesh.Always, Status: http.StatusBadGateway},
	})
	if err != nil {
		return err
	}
	paths, err := rewrite.New(rewrite.Config{Prefix: "/api/v1/", Path: "/"})
	if err != nil {
		return err
	}
	records := make(chan access.Record, 3)
	accessLog := access.Sink(func(_ context.Context, r access.Record) { records <- r })

	// The layers in the order in which a request meets them.
	service := mesh.Chain(accessLog.Handler, deadline.Handler, limits.Handler, faults.Handler, paths.Handler)(shop)
	server, err := demo.Start(map[string]http.Handler{"shop": service})
	if err != nil {
		return err
	}
	defer server.Close()
	ask := func(path string, headers ...string) error {
		_, _, err := demo.Get(http.DefaultClient, "http://"+server.Addr("shop")+path, headers...)
		return err
	}
	logged := func(path string, status int, flags mesh.Flag) error {
		r := <-records
		fmt.Printf("%-20s  %d  %s\n", r.Path, r.Status, r.Flags)
		if r.Path != path || r.Status != status || r.Flags != flags {
			return fmt.Errorf("want %s, status %d, flags %q", path, status, flags)
		}
		return nil
	}

	fmt.Println("request          status  flags")
	for _, c := range []struct {
		path, scenario string
		status         int
		flags          mesh.Flag
	}{
		{"/products/7", "", 200, ""},
		{"/api/v1/products/7", "", 200, ""},               // rewritten
		{"/products/7", "error", 502, mesh.FaultInjected}, // asked for by a test
		{"/report", "", 504, mesh.UpstreamTimeout},        // after two seconds
	} {
		if err := ask(c.path, "X-Test-Scenario", c.scenario); err != nil {
			return err
		}
		if err := logged(c.path, c.status, c.flags); err != nil {
			return err
		}
	}

	// Two exports are under way: a third is refused, and the two end well.
	two := make(chan error, 2)
	for range cap(two) {
		go func() { two <- ask("/export") }()
		<-exporting
	}
	if err := ask("/export"); err != nil {
		return err
	}
	close(export)
	return errors.Join(
		<-two, <-two,
		logged("/export", 503, mesh.Overflow), logged("/export", 200, ""), logged("/export", 200, ""),
	)
}
