package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
)

func main() {
	var (
		long = flag.Bool("full", false, "measure longer")
		only = flag.String("run", "", "measure only benchmarks that the `expression` matches")
		path = flag.String("json", "", "write the figures to a `file`, too")
	)
	flag.Parse()
	expr, err := regexp.Compile(*only)
	if err != nil || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(64)
	}
	p := quick
	if *long {
		p = full
	}
	rep := newReport(p.measure(benchmarks(expr), func(group string) { fmt.Fprintln(os.Stderr, "measuring", group) }))
	rep.print(os.Stdout)
	if *path != "" {
		if err := rep.write(*path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if rep.failed() {
		os.Exit(1)
	}
}
