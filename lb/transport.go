package lb

import (
	"net/http"
	"slices"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/body"
	"github.com/sidecarless/mesh/internal/flow"
)

// Transport is a layer that picks a host for each request and sends it there: a
// copy of the request gets the host's address into its URL, and keeps the Host by
// which the caller asked. The request counts on its host until the body of the
// answer has ended. When there is no host the request is refused with an
// [*mesh.Error] with flag UH.
func (b *Balancer) Transport(next http.RoundTripper) http.RoundTripper {
	return &transport{b, next}
}

type transport struct {
	balancer *Balancer
	next     http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	try, r := flow.OwnTry(r)
	f := try.Flow
	conf := t.balancer.current.Load().conf
	if conf.name != "" {
		try.Choice().Upstream = conf.name
	}
	var q Query
	if conf.timed {
		q.Now = try.Start().UnixNano()
	}
	var cookies []string
	if m := f.More; m != nil && m.HashKnown {
		q.Hash, q.Hashed = m.Hash, m.Hashed
	} else if conf.hasher != nil {
		q.Hash, q.Hashed, cookies = conf.hasher.Hash(r, drawOf(try, conf.rand))
	}
	lease, err := t.pick(try, q)
	if err != nil {
		try.Ended(mesh.Outcome{Err: err})
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	try.Host = lease.host
	try.Begin()
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	try.URL = *r.URL
	try.URL.Host = lease.host.addr
	r.URL = &try.URL

	passed := false
	defer func() {
		if !passed { // a panic on the way
			o := mesh.Outcome{Kind: mesh.Local}
			lease.Done(o)
			try.Ended(o)
		}
	}()
	res, err := t.next.RoundTrip(r)
	passed = true
	if err != nil {
		o := mesh.OutcomeOf(r.Context(), nil, err)
		o.Latency = try.Spent()
		lease.Done(o)
		try.Ended(o)
		return nil, err
	}
	for _, cookie := range cookies {
		res.Header.Add("Set-Cookie", cookie)
	}
	res.Request = f.Request
	try.Answer = res
	body.OnEnd(res, &try.Body, attempt{try})
	return res, nil
}

// drawOf is a draw that is the same for all attempts of a request. The first one
// makes it; a hedge that may overtake the first one goes its own way.
func drawOf(try *flow.Try, rand func() uint64) uint64 {
	f := try.Flow
	switch {
	case try.N == 1:
		if f.Draw == 0 {
			f.Draw = rand()
		}
	case !slices.ContainsFunc(try.Tried(), isFirst) || f.Draw == 0:
		return rand()
	}
	return f.Draw
}

func isFirst(t *flow.Try) bool { return t.N == 1 }

// pick picks a host that the request has not met yet, as far as whoever repeats
// it wants that.
func (t *transport) pick(try *flow.Try, q Query) (Lease, error) {
	tried := try.Tried()
	if len(tried) == 0 {
		return t.balancer.Pick(q)
	}
	m := try.Flow.Tell()
	q.Tried = hostsOf(tried)
	return t.balancer.pick(q, retrying{m.Picks, m.Priorities})
}

// An attempt has a lease of a host until the body of its answer has ended.
type attempt struct{ *flow.Try }

// BodyEnded implements [body.Ender].
func (a attempt) BodyEnded(err error) {
	if err == body.ErrClosed {
		err = nil // the caller had seen enough
	}
	o := mesh.OutcomeOf(a.Context(), a.Answer, err)
	host := a.Host.(*Host)
	lease := Lease{host, host.conf()}
	if lease.conf.clocked {
		o.Latency = a.Spent()
	}
	lease.Done(o)
	a.Ended(o)
}

// hostsOf are the hosts of attempts.
func hostsOf(tries []*flow.Try) []*Host {
	hosts := make([]*Host, 0, len(tries))
	for _, try := range tries {
		if h, ok := try.Host.(*Host); ok {
			hosts = append(hosts, h)
		}
	}
	return hosts
}
