package main

import (
	"context"
	"net/http"
	"slices"
)

// clients are the stacks of which each is measured under every kind of parent
// context.
func clients() map[string]func() http.RoundTripper {
	all := map[string]func() http.RoundTripper{
		"bare":                 func() http.RoundTripper { return stub },
		"ours-full":            fullStack,
		"ours-full-no-timeout": withoutTimeout,
		"ours-istio":           fromResources,
	}
	for name, layer := range layers {
		all["ours-"+name] = layer
	}
	for name, peer := range peerClients {
		all[name] = peer
	}
	return all
}

// chains are the benchmarks of client stacks.
func chains() []benchmark {
	all := clients()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	var list []benchmark
	for _, parent := range []struct {
		prefix, suffix string
		cpus           int
		cancelable     bool
	}{
		{prefix: "Chain/"},
		{prefix: "ChainCancelable/", cancelable: true},
		{prefix: "ChainPar/", suffix: "-2", cpus: 2, cancelable: true},
	} {
		for _, name := range names {
			build := all[name]
			list = append(list, benchmark{
				name: parent.prefix + name + parent.suffix, chain: true, cpus: parent.cpus,
				setup: func() func() loop {
					stack := build()
					return func() loop { return send(parentOf(parent.cancelable), stack) }
				},
			})
		}
	}
	for name, build := range retriers {
		list = append(list, benchmark{
			name: "RetryOnce/" + name, chain: true,
			setup: func() func() loop {
				stack := build(failFirst())
				return func() loop { return send(context.Background(), stack) }
			},
		})
	}
	return list
}

// parentOf is the context of a caller. A cancelable one is what a service has that
// calls others while it serves a request.
func parentOf(cancelable bool) context.Context {
	if !cancelable {
		return context.Background()
	}
	ctx, cancel := context.WithCancel(context.Background())
	context.AfterFunc(ctx, cancel) // for as long as the command runs
	return ctx
}

// retriers are stacks whose first attempt fails.
var retriers = map[string]func(http.RoundTripper) http.RoundTripper{
	"ours-full-no-timeout": func(last http.RoundTripper) http.RoundTripper {
		return stack{stable: endpoints(3), canary: endpoints(3), failing: true, last: last}.build()
	},
	"failsafe-retry":         func(last http.RoundTripper) http.RoundTripper { return failsafeStack(last, false, false) },
	"failsafe-retry-breaker": func(last http.RoundTripper) http.RoundTripper { return failsafeStack(last, true, false) },
	"retryablehttp":          retryable,
	"backoff":                backingOff,
	"floor":                  func(last http.RoundTripper) http.RoundTripper { return newFloor(last, false, threeHosts, threeHosts) },
}
