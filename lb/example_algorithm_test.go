package lb_test

import (
	"fmt"

	"github.com/sidecarless/mesh/lb"
)

// Canary is an algorithm of the user's own: one request in a hundred goes to the
// hosts labelled as canaries.
type Canary struct{}

// Picker implements lb.Algorithm. All that depends on the hosts alone is done
// here, once.
func (Canary) Picker(hosts []*lb.Host) (lb.Picker, error) {
	p := &canaryPicker{}
	for _, h := range hosts {
		if h.Endpoint().Labels["track"] == "canary" {
			p.canaries = append(p.canaries, h)
		} else {
			p.others = append(p.others, h)
		}
	}
	return p, nil
}

type canaryPicker struct{ canaries, others []*lb.Host }

// Pick implements lb.Picker.
func (p *canaryPicker) Pick(q lb.Query) *lb.Host {
	list := p.others
	if len(list) == 0 || len(p.canaries) > 0 && q.Draw%100 == 0 {
		list = p.canaries
	}
	return list[q.Draw/100%uint64(len(list))]
}

func ExampleAlgorithm() {
	balancer, err := lb.New(lb.Config{
		Endpoints: []lb.Endpoint{
			{Addr: "10.0.0.1:80"},
			{Addr: "10.0.0.2:80"},
			{Addr: "10.0.0.3:80", Labels: map[string]string{"track": "canary"}},
		},
		Algorithm: Canary{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for draw := range uint64(3) {
		lease, _ := balancer.Pick(lb.Query{Draw: 100 + draw}) // a draw of its own makes a pick repeatable
		fmt.Println(lease.Host().Addr())
	}
	// Output:
	// 10.0.0.3:80
	// 10.0.0.2:80
	// 10.0.0.2:80
}
