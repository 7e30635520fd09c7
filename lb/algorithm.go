package lb

// A Query is what is known of one request when a host is picked for it. The
// balancer fills in Draw and Now where they are zero. It is small enough to be
// passed in registers.
type Query struct {
	// Hash places the request where hashing decides, if Hashed says that the
	// request has one.
	Hash   uint64
	Hashed bool

	// Tried are the hosts that the request has met before and is not to meet again
	// as long as there is any other.
	Tried []*Host

	// Attempt is zero for the first pick made for an attempt of a request, and
	// counts further ones, made because a host was not wanted. Where hashing
	// decides it names the next best host.
	Attempt int

	// Draw is 64 random bits: equal draws in the same state get equal hosts.
	Draw uint64

	// Now is the time in Unix nanoseconds, for what changes with time.
	Now int64
}

// A Picker picks hosts out of a set that does not change. It is called for every
// request, by many goroutines at once, and must neither wait nor allocate. It
// returns a host of its set, never nil.
//
// A Picker may ignore Query.Tried and whether a host is ejected: the balancer
// asks again, with the next Attempt and another Draw, and after some picks
// searches for itself.
type Picker interface {
	Pick(q Query) *Host
}

// An Algorithm makes a Picker for a set of hosts, which has at least one and is
// in the order of the endpoints. It is called whenever the set of usable hosts
// changes. State that has to live longer belongs to the hosts (see
// [Host.Attach]).
//
// An Algorithm that is an [Observer], too, is told how attempts end.
type Algorithm interface {
	Picker(hosts []*Host) (Picker, error)
}

// A Consistent algorithm places requests by their hash over all hosts of a
// priority, whatever their localities. Because its pickers can be costly to
// build, large ones are built apart from requests.
type Consistent interface {
	Algorithm
	// Rebuild makes a picker for hosts of which each is to get the given share of
	// all hashes; shares sum up to 1. It may take over what it can use of prev, a
	// picker that the same algorithm made before, which stays in use meanwhile;
	// prev may be nil.
	Rebuild(prev Picker, hosts []*Host, shares []float64) (Picker, error)
}
