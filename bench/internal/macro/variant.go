package macro

import (
	"fmt"
	"slices"

	"github.com/sidecarless/mesh/internal/envoytest"
)

// A Shape is what kind of requests are made.
type Shape struct {
	HTTP2 bool
	TLS   bool
	Size  int // bytes of an answer
}

// usual is the size of answers unless a shape is about it.
const usual = 512

// Base is the shape that targets are about.
var Base = Shape{Size: usual}

// Shapes are the others that a full run looks at.
var Shapes = []Shape{
	{Size: 0}, {Size: 1 << 10}, {Size: 64 << 10},
	{HTTP2: true, Size: usual}, {TLS: true, Size: usual}, {HTTP2: true, TLS: true, Size: usual},
}

// String is the shape as it ends the names of results; it is empty for Base.
func (s Shape) String() string {
	name := ""
	if s.HTTP2 {
		name += "/h2"
	}
	if s.TLS {
		name += "/tls"
	}
	if s.Size != usual {
		name += fmt.Sprintf("/body=%d", s.Size)
	}
	return name
}

// A variant is what stands between caller and server.
type variant struct {
	name  string
	stack string // of the caller; empty is named as the variant
	short bool   // measured in a quick run, too, and in other shapes than Base

	// proxies starts what is between, the one that is to be called first; nil is
	// nothing.
	proxies func(hop) ([]*proxy, error)
	// only tells which shapes it can do; nil is all.
	only func(Shape) bool
}

func http1(s Shape) bool { return !s.HTTP2 }

var variants = []variant{
	{name: "direct", short: true},
	{name: "floor", only: func(s Shape) bool { return s == Base }},
	{name: "ours", short: true},
	{name: "ours-yaml", short: true},
	{name: "backoff-gobreaker", only: func(s Shape) bool { return s == Base }},
	{name: "failsafe", short: true},
	{name: "nginx", short: true, proxies: nginx, only: http1}, // it speaks no HTTP/2 to servers
	{name: "haproxy", short: true, proxies: haproxy},
	{name: "envoy-1", proxies: envoys(1, false)},
	{name: "envoy", short: true, proxies: envoys(2, false)},
	{name: "envoy-two-1", proxies: envoys(1, true)},
	{name: "envoy-two", short: true, proxies: envoys(2, true)},
}

// Names are of all results for Base.
func Names() []string {
	var all []string
	for _, v := range variants {
		all = append(all, "Macro/"+v.name)
	}
	return all
}

// one starts a proxy at a free address.
func one(h hop, start func(hop) (*proxy, error)) ([]*proxy, error) {
	var err error
	if h.Listen, err = free(1); err != nil {
		return nil, err
	}
	p, err := start(h)
	if err != nil {
		return nil, err
	}
	return []*proxy{p}, nil
}

func nginx(h hop) ([]*proxy, error) {
	path, err := found("nginx")
	if err != nil {
		return nil, err
	}
	return one(h, func(h hop) (*proxy, error) { return run(h, "nginx.conf", path, "-c") })
}

func haproxy(h hop) ([]*proxy, error) {
	path, err := found("haproxy")
	if err != nil {
		return nil, err
	}
	return one(h, func(h hop) (*proxy, error) { return run(h, "haproxy.cfg", path, "-db", "-f") })
}

// envoys starts an Envoy beside the caller, and one beside the server if there are
// to be two, of so many workers each.
func envoys(workers int, two bool) func(hop) ([]*proxy, error) {
	return func(h hop) ([]*proxy, error) {
		path, err := envoytest.Binary()
		if err != nil {
			return nil, err
		}
		envoy := func(h hop, config string) (*proxy, error) {
			return run(h, config, path, "--concurrency", fmt.Sprint(workers), "--disable-hot-restart", "--log-level", "warn", "-c")
		}
		client := func(h hop) (*proxy, error) { return envoy(h, "client.yaml") }
		if !two {
			return one(h, client)
		}
		server := h
		server.Connect, server.Accept = false, h.Connect
		server.To = h.app
		if server.Listen, err = free(listeners); err != nil {
			return nil, err
		}
		behind, err := envoy(server, "server.yaml")
		if err != nil {
			return nil, err
		}
		h.To = server.Listen
		all, err := one(h, client)
		if err != nil {
			behind.stop()
			return nil, err
		}
		return slices.Concat(all, []*proxy{behind}), nil
	}
}
