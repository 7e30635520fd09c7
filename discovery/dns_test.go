package discovery

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/lb"
	"github.com/stretchr/testify/require"
)

var errServer = errors.New("server failure")

// A zone is a resolver that answers from maps. A name that is in none does not
// exist.
type zone struct {
	mu       sync.Mutex
	hosts    map[string][]string
	services map[string][]*net.SRV
	fail     map[string]error
	hang     bool // answer only when the lookup is given up
	asked    []time.Time
	networks []string
}

func (z *zone) set(change func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	change()
}

func (z *zone) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked = append(z.asked, time.Now())
	z.networks = append(z.networks, network)
	if z.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := z.fail[host]; err != nil {
		return nil, err
	}
	texts, ok := z.hosts[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var addrs []netip.Addr
	for _, s := range texts {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	return addrs, nil
}

func (z *zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if service != "" || proto != "" {
		return "", nil, errors.New("the name is complete")
	}
	if err := z.fail[name]; err != nil {
		return "", nil, err
	}
	records, ok := z.services[name]
	if !ok {
		return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return name, slices.Clone(records), nil
}

// A seen is the sets that update was called with.
type seen struct {
	mu     sync.Mutex
	sets   [][]lb.Endpoint
	refuse error
}

func (s *seen) update(endpoints []lb.Endpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return s.refuse
	}
	s.sets = append(s.sets, endpoints)
	return nil
}

func (s *seen) addrs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sets) == 0 {
		return nil
	}
	var addrs []string
	for _, e := range s.sets[len(s.sets)-1] {
		addrs = append(addrs, e.Addr)
	}
	return addrs
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sets)
}

// start runs a source for the rest of the test.
func start(t *testing.T, run func(context.Context, func([]lb.Endpoint) error) error) *seen {
	s := new(seen)
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, s.update) }()
	over := errors.New("the test is over")
	t.Cleanup(func() {
		cancel(over)
		require.Equal(t, over, <-ended, "Run returns the cause")
	})
	return s
}

func newDNS(t *testing.T, c DNSConfig) *DNS {
	d, err := NewDNS(c)
	require.NoError(t, err)
	return d
}

// pass lets time go by, and what is due then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// middle draws the middle of every range.
func middle() uint64 { return 1 << 63 }

func TestEveryAddressOfANameIsAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string][]string{
			"a.example": {"10.0.0.2", "::ffff:10.0.0.1", "10.0.0.2", "2001:db8::1"},
			"b.example": {"2001:db8::2"},
			"c.example": {"10.0.0.1"},
		}}
		here := lb.Locality{Region: "r"}
		d := newDNS(t, DNSConfig{Resolver: z, Endpoints: []lb.Endpoint{
			{Addr: "a.example:80", Weight: 3, Priority: 1, Locality: here, Labels: map[string]string{"v": "1"}},
			{Addr: "b.example:81"},
			{Addr: "c.example:80"},
			{Addr: "192.0.2.7:82"},
		}})
		s := start(t, d.Run)
		synctest.Wait()
		a := lb.Endpoint{Addr: "10.0.0.1:80", Weight: 3, Priority: 1, Locality: here, Labels: map[string]string{"v": "1"}}
		b := a
		b.Addr = "10.0.0.2:80"
		require.Equal(t, [][]lb.Endpoint{{a, b, {Addr: "[2001:db8::2]:81"}, {Addr: "192.0.2.7:82"}}}, s.sets,
			"IPv4 where there is any, in order, each once")
		require.Equal(t, []string{"ip", "ip", "ip"}, z.networks)
	})
}

func TestBothFamiliesCanBeAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string][]string{"a.example": {"2001:db8::1", "10.0.0.1"}}}
		s := start(t, newDNS(t, DNSConfig{Resolver: z, Network: "ip", Endpoints: lb.Addrs("a.example:80")}).Run)
		synctest.Wait()
		require.Equal(t, []string{"10.0.0.1:80", "[2001:db8::1]:80"}, s.addrs())
	})
}

func TestServiceRecordsBringPortsPrioritiesAndWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const name = "_http._tcp.shop.example"
		z := &zone{
			hosts: map[string][]string{"a.": {"10.0.0.1", "10.0.0.2"}, "b.": {"10.0.0.3"}},
			services: map[string][]*net.SRV{name: {
				{Target: "b.", Port: 81, Priority: 20, Weight: 0},
				{Target: "a.", Port: 80, Priority: 10, Weight: 5},
				{Target: "gone.", Port: 80, Priority: 10, Weight: 5},
			}},
		}
		d := newDNS(t, DNSConfig{Resolver: z, Endpoints: []lb.Endpoint{{Addr: name, Priority: 1}}})
		s := start(t, d.Run)
		synctest.Wait()
		require.Equal(t, [][]lb.Endpoint{{
			{Addr: "10.0.0.1:80", Weight: 5, Priority: 1},
			{Addr: "10.0.0.2:80", Weight: 5, Priority: 1},
			{Addr: "10.0.0.3:81", Weight: 1, Priority: 2},
		}}, s.sets)

		z.set(func() { z.fail = map[string]error{"b.": errServer} })
		pass(time.Minute)
		require.Equal(t, 1, s.count(), "a target that cannot be looked up takes nothing away")
		require.ErrorIs(t, d.Stats().Err, errServer)

		z.set(func() { z.fail, z.hosts = nil, nil })
		pass(time.Minute)
		require.Equal(t, 1, s.count(), "nor do records without any address")
		require.ErrorContains(t, d.Stats().Err, "no target")
	})
}

func TestOnlyChangesAreHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string][]string{"a.example": {"10.0.0.1", "10.0.0.2"}}}
		d := newDNS(t, DNSConfig{Resolver: z, Interval: 10 * time.Second, Rand: middle, Endpoints: lb.Addrs("a.example:80")})
		s := start(t, d.Run)
		for range 5 {
			z.set(func() { slices.Reverse(z.hosts["a.example"]) })
			pass(10 * time.Second)
		}
		synctest.Wait()
		require.Equal(t, 1, s.count())

		changed := time.Now()
		z.set(func() { z.hosts["a.example"] = []string{"10.0.0.2", "10.0.0.3"} })
		pass(10 * time.Second)
		require.Equal(t, []string{"10.0.0.2:80", "10.0.0.3:80"}, s.addrs())
		require.Equal(t, Stats{Endpoints: 2, Found: changed.Add(10 * time.Second), Changed: changed.Add(10 * time.Second), Lookups: 7}, d.Stats())
	})
}

func TestAFailureTakesNothingAwayAndItsAgeShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string][]string{"a.example": {"10.0.0.1"}, "b.example": {"10.0.0.2"}}}
		d := newDNS(t, DNSConfig{Resolver: z, Rand: middle, Endpoints: lb.Addrs("a.example:80", "b.example:80")})
		s := start(t, d.Run)
		synctest.Wait()
		found := time.Now()

		// One name fails, the other moves on.
		z.set(func() {
			z.fail = map[string]error{"a.example": errServer}
			z.hosts["b.example"] = []string{"10.0.0.3"}
		})
		pass(30 * time.Second)
		require.Equal(t, []string{"10.0.0.1:80", "10.0.0.3:80"}, s.addrs())
		stats := d.Stats()
		require.Equal(t, found, stats.Found)
		require.Equal(t, 30*time.Second, stats.Age(time.Now()))
		require.ErrorIs(t, stats.Err, errServer)
		require.Equal(t, 2, stats.Endpoints)

		// A name that is gone is a failure like others.
		z.set(func() { z.hosts, z.fail = nil, nil })
		pass(time.Hour)
		require.Equal(t, []string{"10.0.0.1:80", "10.0.0.3:80"}, s.addrs())
		require.Greater(t, d.Stats().Age(time.Now()), time.Hour)

		z.set(func() { z.hosts = map[string][]string{"a.example": {"10.0.0.1"}, "b.example": {"10.0.0.3"}} })
		pass(30 * time.Second)
		require.LessOrEqual(t, d.Stats().Age(time.Now()), 30*time.Second)
		require.NoError(t, d.Stats().Err)
	})
}

func TestFailuresAreRetriedSoonerThanTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{fail: map[string]error{"a.example": errServer}}
		d := newDNS(t, DNSConfig{Resolver: z, Interval: 10 * time.Second, Rand: middle, Endpoints: lb.Addrs("a.example:80")})
		begin := time.Now()
		s := start(t, d.Run)
		require.Zero(t, d.Stats().Age(begin.Add(time.Hour)), "nothing was ever found")
		pass(60 * time.Second)
		var after []time.Duration
		for _, at := range z.asked {
			after = append(after, at.Sub(begin))
		}
		require.Equal(t, []time.Duration{0, 1e9, 3e9, 7e9, 15e9, 25e9, 35e9, 45e9, 55e9}, after)
		require.Zero(t, s.count(), "no set is not an empty set")
	})
}

func TestWaitsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string][]string{"a.example": {"10.0.0.1"}}}
		d := newDNS(t, DNSConfig{Resolver: z, Interval: 10 * time.Second, Endpoints: lb.Addrs("a.example:80")})
		start(t, d.Run)
		pass(1000 * time.Second)
		gaps := map[time.Duration]bool{}
		for i := range z.asked[1:] {
			gap := z.asked[i+1].Sub(z.asked[i])
			require.GreaterOrEqual(t, gap, 8*time.Second)
			require.LessOrEqual(t, gap, 12*time.Second)
			gaps[gap] = true
		}
		require.Greater(t, len(gaps), 50)
	})
}

func TestALookupThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hang: true}
		d := newDNS(t, DNSConfig{Resolver: z, Timeout: 3 * time.Second, Endpoints: lb.Addrs("a.example:80")})
		start(t, d.Run)
		pass(3 * time.Second)
		require.ErrorIs(t, d.Stats().Err, context.DeadlineExceeded)
	})
}

func TestWhatIsRefusedIsOfferedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string][]string{"a.example": {"10.0.0.1"}}}
		d := newDNS(t, DNSConfig{Resolver: z, Rand: middle, Endpoints: lb.Addrs("a.example:80")})
		refused := errors.New("not now")
		s := &seen{refuse: refused}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			d.Run(ctx, s.update)
		}()
		synctest.Wait()
		require.ErrorIs(t, d.Stats().Err, refused)
		require.Zero(t, d.Stats().Endpoints)

		s.mu.Lock()
		s.refuse = nil
		s.mu.Unlock()
		pass(time.Second)
		require.Equal(t, []string{"10.0.0.1:80"}, s.addrs())
		require.NoError(t, d.Stats().Err)
		cancel()
		<-ended
	})
}

func TestNewDNSReportsEveryProblem(t *testing.T) {
	_, err := NewDNS(DNSConfig{
		Endpoints: lb.Addrs("a.example", ":80", "a.example:0", "a.example:http", "_http._tcp.a.example", "a.example:80"),
		Network:   "tcp", Interval: -1, Timeout: -1,
	})
	fields := map[string]bool{}
	for p := range mesh.Problems(err) {
		fields[p.Field] = true
	}
	require.Equal(t, []string{
		"discovery.Endpoints[0].Addr", "discovery.Endpoints[1].Addr", "discovery.Endpoints[2].Addr", "discovery.Endpoints[3].Addr",
		"discovery.Interval", "discovery.Network", "discovery.Timeout",
	}, slices.Sorted(maps.Keys(fields)))

	_, err = NewDNS(DNSConfig{})
	require.ErrorContains(t, err, "discovery.Endpoints")
}
