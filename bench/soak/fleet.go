package main

import (
	"context"
	"time"
)

// each is how many servers a service has.
const each = 4

// A fleet is the servers of a service, one of which is replaced at a time. One
// goroutine may use it.
type fleet struct {
	name  string
	http2 bool
	rough bool

	serving []*origin // the oldest first
	leaving []*origin // out of the configuration
	turn    int
}

func (f *fleet) host() string { return f.name + ".soak" }

// replace starts a server and takes the oldest out of the list. Until leave, it
// still serves those who have not heard; but of a rough fleet every other dies now.
func (f *fleet) replace() error {
	f.turn++
	m := calm
	switch {
	case f.rough && f.turn%each == 0:
		m = bad
	case f.rough:
		m = rough
	}
	o, err := newOrigin(m, f.http2)
	if err != nil {
		return err
	}
	o.half = []string{"even", "odd"}[f.turn%2]
	f.serving = append(f.serving, o)
	if len(f.serving) <= each {
		return nil
	}
	if f.rough && f.turn%2 == 0 {
		f.serving[0].die()
	} else {
		f.leaving = append(f.leaving, f.serving[0])
	}
	f.serving = f.serving[1:]
	return nil
}

// leave ends the servers that are out of the configuration.
func (f *fleet) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, o := range f.leaving {
		if err := o.leave(ctx); err != nil {
			return err
		}
	}
	f.leaving = f.leaving[:0]
	return nil
}

// end ends them all.
func (f *fleet) end() {
	for _, o := range append(f.leaving, f.serving...) {
		o.die()
	}
	f.leaving, f.serving = nil, nil
}

func (f *fleet) addrs() []string {
	all := make([]string, len(f.serving))
	for i, o := range f.serving {
		all[i] = o.addr
	}
	return all
}

func fleets() []*fleet {
	return []*fleet{
		{name: "calm"}, {name: "calm2", http2: true}, {name: "rough", rough: true}, {name: "rough2", rough: true, http2: true},
	}
}
