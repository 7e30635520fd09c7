package build

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/internal/grpc"
	"github.com/sidecarless/mesh/mirror"
)

// Envoy bounds neither the body of a copy nor how many there are. We do, so that a
// target that hangs cannot take the memory of the process.
const (
	maxCopiedBody = 16 << 20
	maxCopies     = 1024
)

// copies are the layers that send copies of a rule's requests, as they are when they
// go to the destination.
func (u *update) copies(rule *plan.Rule) ([]layer, error) {
	var layers []layer
	for i := range rule.Mirrors {
		share := mesh.Percent(rule.Mirrors[i].Percent)
		to := u.clusters[rule.Mirrors[i].Cluster]
		if share == 0 || to == nil {
			continue
		}
		c := mirror.Config{
			Name: to.name, To: to, Share: share,
			Timeout: rule.Route.GetTimeout().AsDuration(), MaxBody: maxCopiedBody, MaxCopies: maxCopies,
			Rand: u.mesh.options.Rand, Logger: u.mesh.options.Logger,
		}
		if u.mesh.options.ProxyHeaders {
			c.From, c.Edit = ownAddress(), u.tellOfCopy(rule)
		}
		m, err := mirror.New(c)
		if err != nil {
			return nil, err
		}
		u.mirrors = append(u.mirrors, m)
		layers = append(layers, m.Transport)
	}
	return layers, nil
}

// tellOfCopy gives a copy the headers that a sidecar's has: the bound is that of the
// request, and that of a try where the request has none.
func (u *update) tellOfCopy(rule *plan.Rule) func(*http.Request) {
	retries, _ := Retries(rule, u.world.Mesh)
	bound := cmp.Or(rule.Route.GetTimeout().AsDuration(), retries.GetPerTryTimeout().AsDuration())
	return func(r *http.Request) {
		if bound <= 0 {
			return
		}
		millis := strconv.FormatInt(bound.Milliseconds(), 10)
		r.Header["X-Envoy-Expected-Rq-Timeout-Ms"] = []string{millis}
		if grpc.Is(r.Header) && r.Header["Grpc-Timeout"] == nil {
			r.Header["Grpc-Timeout"] = []string{millis + "m"}
		}
	}
}

// ownAddress is the address by which others know this machine.
func ownAddress() netip.Addr {
	addresses, _ := net.InterfaceAddrs() // without any it is loopback
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && p.Addr().IsGlobalUnicast() {
			return p.Addr()
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// endCopies lets copies under way end, and after that what sends them.
func (m *Mesh) endCopies(mirrors []*mirror.Mirror) {
	if len(mirrors) == 0 {
		return
	}
	m.retiring.Go(func() {
		ctx, cancel := context.WithTimeout(m.ending, time.Minute)
		defer cancel()
		for _, one := range mirrors {
			one.Shutdown(ctx)
			one.Close()
		}
	})
}
