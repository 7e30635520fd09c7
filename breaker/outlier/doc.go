// Package outlier takes endpoints out of use that misbehave, and brings them
// back.
//
// Some servers fail while others of the same service are well. A balancer that
// goes on choosing them turns one sick server into a share of failed requests for
// everybody. A [Detector] watches how attempts end and ejects a host when it has
// failed so many times in a row, or plainly more often than the others. An ejected
// host gets no requests for a while, longer each time, and no more than a share of
// all hosts is out at once. This is Envoy's outlier detection, whose algorithm it
// follows.
//
// A Detector is an observer of a balancer, and must learn which hosts there are:
//
//	d, err := outlier.New(outlier.Config{Consecutive5xx: 3})
//	...
//	b, err := lb.New(lb.Config{Endpoints: endpoints, Observers: []lb.Observer{d}, Changed: d.Changed})
//
// Requests that ended because the caller left, or that we refused ourselves, say
// nothing about a host and do not count.
package outlier
