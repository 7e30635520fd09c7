package smi

import (
	"net/http"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/split"
)

// A TrafficSplit divides the requests for a service among others.
type TrafficSplit struct {
	Namespace, Name string
	Service         string // the root, without its namespace
	Backends        []Backend
	Matches         []Match // the requests it is for; none is all

	File string
	Line int
}

// A Backend is a leaf of a split.
type Backend struct {
	Service string // without its namespace
	Milli   int64  // its weight in thousandths
}

// Total is the sum of all weights, in thousandths. If it is zero the root takes
// all requests.
func (s *TrafficSplit) Total() (milli int64) {
	for _, b := range s.Backends {
		milli += b.Milli
	}
	return milli
}

// Branches are the leaves that have a weight as branches of a [split.Splitter],
// with what upstream returns for their services. There are none if Total is zero.
func (s *TrafficSplit) Branches(upstream func(service string) (http.RoundTripper, error)) ([]split.ClientBranch, error) {
	var l check.List
	var branches []split.ClientBranch
	var weights []int64
	for _, b := range s.Backends {
		if b.Milli == 0 {
			continue
		}
		to, err := upstream(b.Service)
		l.Include(b.Service, err)
		branches = append(branches, split.ClientBranch{Name: b.Service, Value: to})
		weights = append(weights, b.Milli)
	}
	for i, w := range scaled(weights) {
		branches[i].Weight = w
	}
	return branches, l.Err()
}

// scaled makes weights of thousandths whose sum fits a splitter. What they have in
// common is taken out, and if that does not suffice they are rounded.
func scaled(milli []int64) []uint32 {
	var total, common int64
	for _, m := range milli {
		total += m
		common = gcd(m, common)
	}
	weights := make([]uint32, len(milli))
	// Rounding up adds at most one for each of them.
	room := int64(1<<32 - 1 - len(milli))
	for i, m := range milli {
		if total/common <= room {
			weights[i] = uint32(m / common)
			continue
		}
		divisor := (total + room - 1) / room
		weights[i] = uint32((m + divisor - 1) / divisor)
	}
	return weights
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
