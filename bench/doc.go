// Command bench measures this library beside its peers, beside real proxies and
// beside the least that its work can cost, and holds the figures to targets, which
// are ratios of one run.
//
//	go run ./bench                  layers, stacks and memory: one to two minutes
//	go run ./bench -macro           and whole systems
//	go run ./bench -full            longer windows, for figures to be quoted
//	go run ./bench -run 'Chain/'    some of it
//	go run ./bench -json FILE       the figures for other programs
//	go run ./bench -svg DIR         charts
//	go run ./bench -markdown        tables for a README
//
// A figure is the CPU time of the whole process for one operation, the collector's
// included, in nanoseconds: on a shared machine it varies by a few per cent where
// wall time varies by a factor. Each round measures every benchmark of a group
// once, so that what disturbs the machine for a while disturbs all of them; of the rounds the
// lower quartile counts, and spread is how far apart the middle half lies.
//
// Client stacks end in a stub that answers at once with a body that is to be
// closed: what is measured is the stack. Peers are named by their package, and what
// begins with "floor" is written by hand, without configuration, for comparison.
// Benchmarks whose name ends in -2 run on two CPUs. Memory is what stays on the heap
// while nothing happens. How whole systems are measured says package macro.
//
// The same benchmarks run under go test -bench, with its profiles.
package main
