package main

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// benchmarks are all whose name the expression matches, in the order in which they
// are printed: what is compared stands together.
func benchmarks(only *regexp.Regexp) []benchmark {
	all := slices.Concat(chains(), servers(), breakers(), routes(), fleets(), picks(), grpcPicks(), splits())
	all = slices.DeleteFunc(all, func(b benchmark) bool { return !only.MatchString(b.name) })
	slices.SortStableFunc(all, func(a, b benchmark) int {
		return cmp.Or(
			cmp.Compare(order(a.name), order(b.name)),
			cmp.Compare(familyOf(a.name), familyOf(b.name)),
			cmp.Compare(sizeOf(a.name), sizeOf(b.name)))
	})
	return all
}

var kinds = []string{
	"Chain", "ChainCancelable", "ChainPar", "RetryOnce", "Server", "Breaker", "BreakerPar", "Limiter", "LimiterPar",
	"Route", "Istio", "Pick", "PickPar", "Split", "Build",
}

func kindOf(name string) string {
	kind, _, _ := strings.Cut(name, "/")
	return kind
}

// groupOf is what is measured together: nothing is compared across groups.
func groupOf(name string) string {
	kind := kindOf(name)
	return strings.TrimSuffix(strings.TrimSuffix(kind, "Par"), "Cancelable")
}

func order(name string) int { return slices.Index(kinds, kindOf(name)) }

// familyOf is a benchmark's name without the size.
func familyOf(name string) string {
	family, _, _ := strings.Cut(name, "/n=")
	return family
}

// sizeOf is the n of a benchmark, 0 without one.
func sizeOf(name string) int {
	_, digits, _ := strings.Cut(name, "/n=")
	n := 0
	for _, d := range digits {
		if d < '0' || d > '9' {
			break
		}
		n = n*10 + int(d-'0')
	}
	return n
}
