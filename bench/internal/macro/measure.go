package macro

import (
	"crypto/x509"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/sidecarless/mesh/internal/certtest"
)

// A Plan is how long to measure.
type Plan struct {
	Rounds int
	Closed time.Duration // with as many requests as pass
	Open   time.Duration // at Rate; zero leaves that out
	Rate   int           // requests a second
	Short  bool          // not all that could stand between
	Shapes []Shape
}

// Quick takes some 40 seconds, and is good for ratios of CPU time alone.
var Quick = Plan{Rounds: 5, Closed: 700 * time.Millisecond, Short: true, Shapes: []Shape{Base}}

// Full is what Base is measured by for figures that are to be quoted, and Other the
// other shapes.
var (
	Full  = Plan{Rounds: 7, Closed: 2 * time.Second, Open: 2 * time.Second, Rate: 1000, Shapes: []Shape{Base}}
	Other = Plan{Rounds: 3, Closed: time.Second, Open: time.Second, Rate: 1000, Short: true, Shapes: Shapes}
)

// warm is how long each system is loaded before it is measured.
const warm = 150 * time.Millisecond

// Measure measures all whose name matches. What cannot be had on this machine is
// told and left out.
func (p Plan) Measure(clients Clients, only *regexp.Regexp, tell func(format string, args ...any)) ([]*Result, error) {
	dir, err := os.MkdirTemp("", "mesh-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var pem certificates
	pem.Cert, pem.Key, pem.Roots = certtest.NewCA().Write(dir, "spiffe://cluster.local/ns/default/sa/reviews",
		func(c *x509.Certificate) { c.DNSNames = []string{Hostname} })
	server, err := spawn(answering)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	var where addresses
	if err := server.ask(pem, &where); err != nil {
		return nil, err
	}
	var all []*Result
	for _, shape := range p.Shapes {
		measured, err := p.shape(shape, clients, only, server, where, pem, tell)
		if err != nil {
			return nil, err
		}
		all = append(all, measured...)
	}
	return all, nil
}

// shape measures all variants in one shape, round after round.
func (p Plan) shape(shape Shape, clients Clients, only *regexp.Regexp, server *child, where addresses, pem certificates,
	tell func(string, ...any)) ([]*Result, error) {
	var systems []*system
	defer func() {
		for _, s := range systems {
			s.stop()
		}
	}()
	for _, v := range variants {
		name := "Macro/" + v.name + shape.String()
		if p.Short && !v.short || v.only != nil && !v.only(shape) || !only.MatchString(name) {
			continue
		}
		s, err := start(v, shape, server, where, pem)
		if err != nil {
			tell("%s is left out: %v", name, err)
			continue
		}
		s.result = &Result{Name: name}
		systems = append(systems, s)
	}
	for round := range p.Rounds {
		tell("measuring Macro%s, round %d of %d", shape, round+1, p.Rounds)
		for _, s := range systems {
			if err := s.round(p, shape); err != nil {
				return nil, fmt.Errorf("%s: %w", s.result.Name, err)
			}
		}
	}
	results := make([]*Result, len(systems))
	for i, s := range systems {
		s.result.settle()
		results[i] = s.result
	}
	return results, nil
}

// A system is a caller, a server, and what is between them.
type system struct {
	client, server *child
	proxies        []*proxy
	result         *Result
}

func start(v variant, shape Shape, server *child, where addresses, pem certificates) (*system, error) {
	s := &system{server: server}
	to := where.of(shape.TLS)
	set := setup{Stack: v.stack, Target: Target{Stable: to[:canary], Canary: to[canary:], HTTP2: shape.HTTP2}}
	if set.Stack == "" {
		set.Stack = v.name
	}
	if shape.TLS {
		set.Target.Roots = pem.Roots
	}
	var err error
	if v.proxies != nil {
		s.proxies, err = v.proxies(hop{To: to, app: where.Plain, HTTP2: shape.HTTP2, Connect: shape.TLS, certificates: pem})
		if err != nil {
			return nil, err
		}
		set.Stack, set.Target = "direct", Target{Stable: s.proxies[0].listen, HTTP2: shape.HTTP2}
	}
	if s.client, err = spawn(calling); err == nil {
		err = s.client.ask(set, new(struct{}))
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *system) stop() {
	if s.client != nil {
		s.client.stop()
	}
	for _, p := range s.proxies {
		p.stop()
	}
}

// round measures once.
func (s *system) round(p Plan, shape Shape) error {
	r := s.result
	if _, err := s.load(load{For: warm, Size: shape.Size}); err != nil {
		return err
	}
	closed, err := s.load(load{For: p.Closed, Size: shape.Size})
	if err != nil {
		return err
	}
	r.Rounds = append(r.Rounds, Round{CPU: closed.system(), Proxy: closed.proxy(), RPS: float64(closed.Requests) / closed.Wall.Seconds()})
	now := &r.Rounds[len(r.Rounds)-1]
	r.count(closed.sent)
	if p.Open > 0 {
		open, err := s.load(load{For: p.Open, Size: shape.Size, Rate: p.Rate})
		if err != nil {
			return err
		}
		now.OpenCPU, now.P50, now.P99 = open.system(), micro(open.P50), micro(open.P99)
		r.count(open.sent)
	}
	for _, p := range s.proxies {
		bytes, err := p.resident()
		if err != nil {
			return err
		}
		now.ProxyRSS += float64(bytes) / (1 << 20)
	}
	bytes, err := s.client.resident()
	now.ClientRSS = float64(bytes) / (1 << 20)
	return err
}

// A loaded is a load with the CPU time of the others.
type loaded struct {
	sent
	server, proxies time.Duration
}

func (l loaded) system() float64 { return micro(l.CPU+l.server+l.proxies) / float64(l.Requests) }
func (l loaded) proxy() float64  { return micro(l.proxies) / float64(l.Requests) }

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// load has the client send requests and looks at what the others have used meanwhile.
func (s *system) load(l load) (loaded, error) {
	used := func() (server, proxies time.Duration, err error) {
		if server, err = s.server.used(); err != nil {
			return 0, 0, err
		}
		for _, p := range s.proxies {
			one, err := p.used()
			if err != nil {
				return 0, 0, err
			}
			proxies += one
		}
		return server, proxies, nil
	}
	server, proxies, err := used()
	if err != nil {
		return loaded{}, err
	}
	var out loaded
	if err := s.client.ask(l, &out.sent); err != nil {
		return loaded{}, err
	}
	if out.server, out.proxies, err = used(); err != nil {
		return loaded{}, err
	}
	out.server -= server
	out.proxies -= proxies
	if out.Requests == 0 {
		return loaded{}, fmt.Errorf("no request was sent")
	}
	return out, nil
}
