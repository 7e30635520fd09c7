package meshtest

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/lb"
)

func TestTheAlgorithmsOfTheModuleKeepTheContract(t *testing.T) {
	for name, a := range map[string]lb.Algorithm{
		"Random": lb.Random{}, "RoundRobin": lb.RoundRobin{}, "LeastRequest": lb.LeastRequest{},
		"PeakEWMA": lb.PeakEWMA{}, "RingHash": lb.RingHash{}, "Maglev": lb.Maglev{TableSize: 251},
	} {
		t.Run(name, func(t *testing.T) { TestAlgorithm(t, a) })
	}
}

// An algorithm by its functions.
type algorithm func(hosts []*lb.Host) (lb.Picker, error)

func (a algorithm) Picker(hosts []*lb.Host) (lb.Picker, error) { return a(hosts) }

type pick func(q lb.Query) *lb.Host

func (p pick) Pick(q lb.Query) *lb.Host { return p(q) }

// consistent is an algorithm that claims to place requests by their hash.
type consistent struct{ algorithm }

func (c consistent) Rebuild(prev lb.Picker, hosts []*lb.Host, _ []float64) (lb.Picker, error) {
	if prev != nil {
		return prev, nil // for other hosts
	}
	return c.Picker(hosts)
}

// touchy forgets its hosts when it is told of a failure.
type touchy struct {
	algorithm
	failed *atomic.Bool
}

func (a touchy) Observe(_ *lb.Host, o mesh.Outcome) {
	if o.Kind == mesh.Failure {
		a.failed.Store(true)
	}
}

func first(hosts []*lb.Host) (lb.Picker, error) {
	return pick(func(lb.Query) *lb.Host { return hosts[0] }), nil
}

func TestMistakesInAlgorithmsAreFound(t *testing.T) {
	var shared atomic.Pointer[[]*lb.Host]
	var n atomic.Uint64
	var failed atomic.Bool
	turn := make(chan struct{})
	defer close(turn)
	for name, tt := range map[string]struct {
		a     lb.Algorithm
		cases []string
	}{
		"gives up when all were tried": {
			algorithm(func(hosts []*lb.Host) (lb.Picker, error) {
				return pick(func(q lb.Query) *lb.Host {
					if len(q.Tried) == len(hosts) {
						return nil
					}
					return hosts[0]
				}), nil
			}),
			[]string{"a pick is always one of the hosts"},
		},
		"makes hosts up": {
			algorithm(func([]*lb.Host) (lb.Picker, error) {
				h := lb.NewHost(lb.Endpoint{Addr: "10.9.9.9:80"})
				return pick(func(lb.Query) *lb.Host { return h }), nil
			}),
			[]string{"a pick is always one of the hosts"},
		},
		"needs two hosts": {
			algorithm(func(hosts []*lb.Host) (lb.Picker, error) {
				if len(hosts) < 2 {
					return nil, errors.New("too few")
				}
				return first(hosts)
			}),
			[]string{"a pick is always one of the hosts"},
		},
		"sorts what it is given": {
			algorithm(func(hosts []*lb.Host) (lb.Picker, error) { slices.Reverse(hosts); return first(hosts) }),
			[]string{"the hosts are left as they are"},
		},
		"allocates": {
			algorithm(func(hosts []*lb.Host) (lb.Picker, error) {
				return pick(func(lb.Query) *lb.Host { return slices.Clone(hosts)[0] }), nil
			}),
			[]string{"a pick does not allocate"},
		},
		"waits": {
			algorithm(func(hosts []*lb.Host) (lb.Picker, error) {
				return pick(func(q lb.Query) *lb.Host {
					if len(hosts) == 10 && q.Attempt == 6 {
						<-turn
					}
					return hosts[0]
				}), nil
			}),
			[]string{"many goroutines may pick"},
		},
		"keeps the hosts for all pickers": {
			algorithm(func(hosts []*lb.Host) (lb.Picker, error) {
				shared.Store(&hosts)
				return pick(func(lb.Query) *lb.Host { h := *shared.Load(); return h[len(h)-1] }), nil
			}),
			[]string{"a picker keeps its hosts when another is made"},
		},
		"has no host after a failure": {
			touchy{func(hosts []*lb.Host) (lb.Picker, error) {
				return pick(func(lb.Query) *lb.Host {
					if failed.Load() {
						return nil
					}
					return hosts[0]
				}), nil
			}, &failed},
			[]string{"every end of an attempt can be observed"},
		},
		"places requests by chance": {
			consistent{func(hosts []*lb.Host) (lb.Picker, error) {
				return pick(func(lb.Query) *lb.Host { return hosts[n.Add(1)%uint64(len(hosts))] }), nil
			}},
			[]string{"equal hashes find equal hosts", "a rebuilt picker has the hosts that it is given"},
		},
		"places requests otherwise in each process": {
			consistent{func(hosts []*lb.Host) (lb.Picker, error) {
				seed := n.Add(1)
				return pick(func(q lb.Query) *lb.Host { return hosts[(q.Hash+seed)%uint64(len(hosts))] }), nil
			}},
			[]string{"equal hashes find equal hosts"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range algorithmContract {
				if !slices.Contains(tt.cases, c.name) {
					continue
				}
				k := &algorithmCheck{violations: violations{patience: hasty}, a: tt.a}
				k.run(hasty, func() { c.check(k) })
				require.NotEmpty(t, k.found(), c.name)
			}
		})
	}
}
