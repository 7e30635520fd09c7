package discovery

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/lb"
)

// A DNSConfig says which names are looked up, and how often.
type DNSConfig struct {
	// Endpoints are what they are for a balancer, but the host in an Addr may be a
	// name: all its addresses (A and AAAA) become endpoints of that port, weight,
	// priority, locality and labels. An Addr without port that begins with an
	// underscore, such as "_http._tcp.reviews.shop.svc.cluster.local", names SRV
	// records, which bring ports, priorities (their order counts) and weights (zero
	// counts as 1) of their own.
	Endpoints []lb.Endpoint
	// Network is "ip4", "ip6" or "ip" for both. Empty is IPv4, or IPv6 for a name
	// that has no other: endpoints of a family that this host cannot reach would
	// fail their share of requests.
	Network string
	// Interval is the time from one lookup to the next; zero is 30 s. Each wait is
	// up to a fifth longer or shorter. After a failure the next lookup comes after
	// a second, then two, four and so on up to Interval.
	Interval time.Duration
	// Timeout bounds each lookup of a name; zero is 5 s.
	Timeout time.Duration
	// Resolver asks; nil is [net.DefaultResolver].
	Resolver Resolver
	// Logger gets changes and failures; nil is silent.
	Logger *slog.Logger
	// Rand draws the waits; nil is math/rand/v2.
	Rand func() uint64
}

// A Resolver looks names up. It is the part of [net.Resolver] that is used here.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// A DNS keeps endpoints current that are given by name.
type DNS struct {
	poller
	config DNSConfig
	// last is what each of the configured endpoints was last found to be. Only Run
	// uses it.
	last [][]lb.Endpoint
}

// NewDNS makes a DNS. Nothing is looked up before Run.
func NewDNS(c DNSConfig) (*DNS, error) {
	l := check.List{Prefix: "discovery"}
	if len(c.Endpoints) == 0 {
		l.Add("Endpoints", nil, "must not be empty")
	}
	for i, e := range c.Endpoints {
		if isService(e.Addr) {
			continue
		}
		host, port, err := net.SplitHostPort(e.Addr)
		if n, _ := strconv.ParseUint(port, 10, 16); err != nil || host == "" || n == 0 {
			l.Add("Endpoints["+strconv.Itoa(i)+"].Addr", e.Addr, "must be a name or an address with a port, or the name of SRV records")
		}
	}
	switch c.Network {
	case "", "ip", "ip4", "ip6":
	default:
		l.Add("Network", c.Network, `must be "ip", "ip4", "ip6" or empty`)
	}
	l.NotNegative("Interval", c.Interval)
	l.NotNegative("Timeout", c.Timeout)
	if err := l.Err(); err != nil {
		return nil, err
	}
	c.Endpoints = slices.Clone(c.Endpoints)
	c.Interval = cmp.Or(c.Interval, 30*time.Second)
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	d := &DNS{config: c, last: make([][]lb.Endpoint, len(c.Endpoints))}
	d.poller = poller{what: c.Endpoints[0].Addr, interval: c.Interval, logger: c.Logger, rand: c.Rand, find: d.lookup}
	return d, nil
}

// Run looks up until ctx ends and returns the cause of that. It calls update
// with all endpoints, sorted, when there are others than before; what update
// refuses is offered again the next time. Run may run once at a time.
func (d *DNS) Run(ctx context.Context, update func([]lb.Endpoint) error) error {
	return d.run(ctx, update)
}

// lookup asks for all names. One that fails stays what it was.
func (d *DNS) lookup(ctx context.Context) ([]lb.Endpoint, error) {
	var all []lb.Endpoint
	var failures []error
	known := make(map[string]bool)
	for i, e := range d.config.Endpoints {
		found, err := d.resolve(ctx, e)
		if err != nil {
			failures = append(failures, err)
		} else {
			d.last[i] = found
		}
		for _, e := range d.last[i] {
			// Two names may have an address in common: the first has it.
			if !known[e.Addr] {
				known[e.Addr] = true
				all = append(all, e)
			}
		}
	}
	return all, errors.Join(failures...)
}

// resolve finds what one of the configured endpoints stands for.
func (d *DNS) resolve(ctx context.Context, e lb.Endpoint) ([]lb.Endpoint, error) {
	if isService(e.Addr) {
		return d.resolveService(ctx, e)
	}
	host, port, _ := net.SplitHostPort(e.Addr)
	if _, err := netip.ParseAddr(host); err == nil {
		return []lb.Endpoint{e}, nil
	}
	return d.resolveHost(ctx, e, host, port)
}

// resolveHost makes an endpoint like e of each address of a name, in the order
// of the addresses.
func (d *DNS) resolveHost(ctx context.Context, e lb.Endpoint, host, port string) ([]lb.Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	addrs, err := d.config.Resolver.LookupNetIP(ctx, cmp.Or(d.config.Network, "ip"), host)
	if err != nil {
		return nil, err
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	if d.config.Network == "" && slices.ContainsFunc(addrs, netip.Addr.Is4) {
		addrs = slices.DeleteFunc(addrs, netip.Addr.Is6)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	list := make([]lb.Endpoint, len(addrs))
	for i, a := range addrs {
		list[i] = e
		list[i].Addr = net.JoinHostPort(a.String(), port)
	}
	return list, nil
}

// resolveService makes endpoints like e of the targets of SRV records. A target
// without addresses is left out.
func (d *DNS) resolveService(ctx context.Context, e lb.Endpoint) ([]lb.Endpoint, error) {
	lookup, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	_, records, err := d.config.Resolver.LookupSRV(lookup, "", "", e.Addr)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(records, func(a, b *net.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Port, b.Port))
	})
	var list []lb.Endpoint
	level := e.Priority
	for i, r := range records {
		if i > 0 && r.Priority != records[i-1].Priority {
			level++
		}
		target := e
		target.Weight, target.Priority = max(uint32(r.Weight), 1), level
		found, err := d.resolveHost(ctx, target, r.Target, strconv.Itoa(int(r.Port)))
		var missing *net.DNSError
		if errors.As(err, &missing) && missing.IsNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	if len(list) == 0 {
		return nil, &net.DNSError{Err: "no target of its SRV records has an address", Name: e.Addr, IsNotFound: true}
	}
	return list, nil
}

// isService reports whether an Addr names SRV records.
func isService(addr string) bool { return strings.HasPrefix(addr, "_") && !strings.Contains(addr, ":") }
