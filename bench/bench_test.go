package main

import (
	"regexp"
	"runtime"
	"testing"
)

// Benchmark is each of the command's benchmarks, for profiles:
//
//	go test -run - -bench "^Benchmark$/^Chain$/^ours-full$" -cpuprofile cpu.out
func Benchmark(b *testing.B) {
	ballast := make([]byte, ballast) // as in the command
	defer runtime.KeepAlive(ballast)
	for _, each := range benchmarks(regexp.MustCompile("")) {
		b.Run(each.name, func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(1, each.cpus)))
			loops := each.start()
			b.ReportAllocs()
			b.ResetTimer()
			times(loops, b.N)
		})
	}
}
