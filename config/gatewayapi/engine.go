package gatewayapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/mirror"
)

// clusterDomain is the domain of Kubernetes' Services.
const clusterDomain = "cluster.local"

// An engine holds what outlives a configuration: the clusters with their
// connections.
type engine struct {
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	rand   func() uint64
	logger *slog.Logger

	mu       sync.Mutex // one update at a time
	clusters map[clusterKey]*cluster
	mirrors  []*mirror.Mirror // of the configuration in force
	closed   bool

	ending   context.Context // when the engine is closed
	end      context.CancelFunc
	retiring sync.WaitGroup
}

func (e *engine) init() {
	e.clusters = map[clusterKey]*cluster{}
	e.ending, e.end = context.WithCancel(context.Background())
}

// A builder makes a configuration ready without changing what is in use.
type builder struct {
	engine   *engine
	config   *Config
	clusters map[clusterKey]*cluster // those of the configuration, new and kept
	made     []*cluster              // those that it adds
	mirrors  []*mirror.Mirror
	errs     []error
}

// problem adds what is wrong with a resource, with its source.
func (b *builder) problem(source string, err error) {
	for p := range mesh.Problems(err) {
		q := *p
		if q.Source == "" {
			q.Source = source
		}
		b.errs = append(b.errs, &q)
	}
}

// update carries out a configuration, all of it or nothing: build makes it ready
// and use puts it in force.
func (e *engine) update(c *Config, build func(*builder), use func()) error {
	if err := c.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errors.New("gatewayapi: is closed")
	}
	b := &builder{engine: e, config: c, clusters: map[clusterKey]*cluster{}}
	build(b)
	if err := errors.Join(b.errs...); err != nil {
		for _, c := range b.made {
			c.upstream.Close()
		}
		for _, m := range b.mirrors {
			m.Close()
		}
		return err
	}
	for _, c := range b.clusters {
		if c.changed {
			if err := c.upstream.SetEndpoints(c.next); err != nil {
				return err
			}
			c.endpoints, c.next, c.changed = c.next, nil, false
		}
	}
	use()
	clusters, mirrors := e.clusters, e.mirrors
	e.clusters, e.mirrors = b.clusters, b.mirrors
	for key, c := range clusters {
		if b.clusters[key] == nil {
			e.retire(c)
		}
	}
	for _, m := range mirrors {
		e.retiring.Go(func() {
			ctx, cancel := context.WithTimeout(e.ending, retireFor)
			defer cancel()
			if m.Shutdown(ctx) != nil {
				m.Close()
			}
		})
	}
	return nil
}

// close ends all connections, those in use included.
func (e *engine) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.end()
	e.retiring.Wait()
	var errs []error
	for _, m := range e.mirrors {
		errs = append(errs, m.Close())
	}
	for _, c := range e.clusters {
		errs = append(errs, c.upstream.Close())
	}
	e.clusters, e.mirrors = nil, nil
	return errors.Join(errs...)
}

// refusal answers in place of a backend.
type refusal struct {
	status  int
	flag    mesh.Flag
	details string
	reason  string
}

// RoundTrip implements http.RoundTripper.
func (f refusal) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	e := &mesh.Error{Op: "gatewayapi", Flag: f.flag, Status: f.status, Stage: mesh.NotSent, Details: f.details}
	if f.reason != "" {
		e.Err = errors.New(f.reason)
	}
	return nil, e
}
