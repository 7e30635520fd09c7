package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/leastrequest"
	"google.golang.org/grpc/balancer/ringhash"
	"google.golang.org/grpc/balancer/roundrobin"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"
)

// grpcPicks are the pickers of gRPC, with a connection that is always ready in
// place of a real one, and without the call.
func grpcPicks() []benchmark {
	var list []benchmark
	for _, n := range []int{10, 100, 1000} {
		size := fmt.Sprintf("/n=%d", n)
		ring := `{"minRingSize": 4096, "maxRingSize": 4096, "requestHashHeader": "x-user"}`
		keyed := metadata.NewOutgoingContext(context.Background(), metadata.Pairs(
			"x-user", "user-7", "user-agent", "bench/1.0", "accept-language", "en", "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
		list = append(list,
			benchmark{name: "Pick/grpc-rr" + size, setup: grpcPick(n, roundrobin.Name, "", context.Background())},
			benchmark{name: "Pick/grpc-p2c" + size, setup: grpcPick(n, leastrequest.Name, `{"choiceCount": 2}`, context.Background())},
			benchmark{name: "Pick/grpc-ring" + size, setup: grpcPick(n, ringhash.Name, ring, context.Background())},
			benchmark{name: "Pick/grpc-ring-header" + size, setup: grpcPick(n, ringhash.Name, ring, keyed)},
		)
	}
	return append(list, benchmark{
		name: "PickPar/grpc-p2c/n=100-2", cpus: 2,
		setup: grpcPick(100, leastrequest.Name, `{"choiceCount": 2}`, context.Background()),
	})
}

func grpcPick(n int, name, config string, ctx context.Context) func() func() loop {
	return func() func() loop {
		picker := grpcPicker(n, name, config)
		info := balancer.PickInfo{FullMethodName: "/reviews/Get", Ctx: ctx}
		return func() loop {
			return func(n int) {
				for range n {
					result, err := picker.Pick(info)
					if err != nil {
						panic(err)
					}
					if result.Done != nil {
						result.Done(balancer.DoneInfo{})
					}
				}
			}
		}
	}
}

// grpcPicker is the picker of a balancer whose n connections are ready.
func grpcPicker(n int, name, config string) balancer.Picker {
	builder := balancer.Get(name)
	cc := new(fakeClient)
	b := builder.Build(cc, balancer.BuildOptions{})
	state := balancer.ClientConnState{}
	if parser, ok := builder.(balancer.ConfigParser); ok && config != "" {
		state.BalancerConfig = made[serviceconfig.LoadBalancingConfig](parser.ParseConfig(json.RawMessage(config)))
	}
	for i := range n {
		state.ResolverState.Endpoints = append(state.ResolverState.Endpoints,
			resolver.Endpoint{Addresses: []resolver.Address{{Addr: addr(i)}}})
	}
	must(b.UpdateClientConnState(state))
	if exits, ok := b.(interface{ ExitIdle() }); ok {
		exits.ExitIdle()
	}
	// A ring connects when it is asked, one endpoint after the other.
	for range 1_000_000 {
		cc.settle()
		if cc.ready() == n {
			return *cc.picker.Load()
		}
		(*cc.picker.Load()).Pick(balancer.PickInfo{Ctx: context.Background()}) //nolint:errcheck // it makes it connect
	}
	panic(fmt.Sprintf("%d of %d connections are ready", cc.ready(), n))
}

// A fakeClient is a gRPC client whose connections need no network.
type fakeClient struct {
	balancer.ClientConn
	picker atomic.Pointer[balancer.Picker]

	mu    sync.Mutex // a ring makes connections on goroutines of its own
	conns []*fakeConn
}

// NewSubConn implements balancer.ClientConn.
func (c *fakeClient) NewSubConn(_ []resolver.Address, o balancer.NewSubConnOptions) (balancer.SubConn, error) {
	conn := &fakeConn{listen: o.StateListener}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	return conn, nil
}

// UpdateState implements balancer.ClientConn.
func (c *fakeClient) UpdateState(s balancer.State) { c.picker.Store(&s.Picker) }

// Target implements balancer.ClientConn.
func (*fakeClient) Target() string { return "reviews.example" }

// settle makes the connections ready that were asked for.
func (c *fakeClient) settle() {
	c.mu.Lock()
	conns := slices.Clone(c.conns)
	c.mu.Unlock()
	for _, conn := range conns {
		if conn.asked.Load() && !conn.isReady {
			conn.isReady = true
			conn.listen(balancer.SubConnState{ConnectivityState: connectivity.Connecting})
			conn.listen(balancer.SubConnState{ConnectivityState: connectivity.Ready})
			if conn.health != nil { // registered meanwhile
				conn.health(balancer.SubConnState{ConnectivityState: connectivity.Ready})
			}
		}
	}
}

func (c *fakeClient) ready() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, conn := range c.conns {
		if conn.isReady {
			n++
		}
	}
	return n
}

type fakeConn struct {
	balancer.SubConn
	listen, health func(balancer.SubConnState)
	asked          atomic.Bool // from other goroutines
	isReady        bool
}

// Connect implements balancer.SubConn.
func (c *fakeConn) Connect() { c.asked.Store(true) }

// RegisterHealthListener implements balancer.SubConn.
func (c *fakeConn) RegisterHealthListener(listen func(balancer.SubConnState)) { c.health = listen }

// Shutdown implements balancer.SubConn.
func (*fakeConn) Shutdown() {}
