// Package demo is what the examples share besides the mesh: servers on loopback,
// load, and counts.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Pods are servers on loopback, under the addresses that they have in the
// resources, such as 10.0.1.1:8080. They stand for a cluster and its network.
type Pods struct {
	servers map[string]*http.Server
	ports   map[string]string // where the server of an address listens
	served  atomic.Int64
}

// Start starts a server for each address. The system chooses the ports.
func Start(handlers map[string]http.Handler) (*Pods, error) {
	p := &Pods{servers: map[string]*http.Server{}, ports: map[string]string{}}
	for addr, h := range handlers {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.served.Add(1)
			h.ServeHTTP(w, r)
		})}
		p.servers[addr], p.ports[addr] = server, listener.Addr().String()
		go server.Serve(listener) // until Close
	}
	return p, nil
}

// Dial connects to the server that stands for an address. It takes the place of
// the cluster's network: istio.ClientConfig.Dial.
func (p *Pods) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	port, ok := p.ports[addr]
	if !ok {
		return nil, fmt.Errorf("no pod has the address %s", addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, port)
}

// Addr is where the server that stands for an address listens.
func (p *Pods) Addr(addr string) string { return p.ports[addr] }

// Served is how many requests all pods have got so far.
func (p *Pods) Served() int { return int(p.served.Load()) }

// Stop ends pods: their connections break, new ones are refused.
func (p *Pods) Stop(addrs ...string) error {
	var errs []error
	for _, addr := range addrs {
		errs = append(errs, p.servers[addr].Close())
	}
	return errors.Join(errs...)
}

// Close ends all pods.
func (p *Pods) Close() error {
	var errs []error
	for _, s := range p.servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// Says is a server that answers everything with a text.
func Says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
}

// Fails is a server that answers everything with a status.
func Fails(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// After is a server that takes its time.
func After(d time.Duration, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			h.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}
