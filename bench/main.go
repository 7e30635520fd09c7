package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"

	"github.com/sidecarless/mesh/bench/internal/macro"
)

func main() {
	if macro.Main(systems) {
		return
	}
	var (
		long  = flag.Bool("full", false, "measure longer, and whole systems too")
		whole = flag.Bool("macro", false, "measure whole systems, too: this library, real proxies, and nothing between a caller and a server")
		only  = flag.String("run", "", "measure only benchmarks that the `expression` matches")
		path  = flag.String("json", "", "write the figures to a `file`, too")
		paste = flag.Bool("markdown", false, "print tables for a README")
		draw  = flag.String("svg", "", "draw charts into a `folder`")
	)
	flag.Parse()
	expr, err := regexp.Compile(*only)
	if err != nil || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(64)
	}
	rep, err := measure(expr, *long, *long || *whole)
	if err == nil && *paste {
		rep.markdown(os.Stdout)
	} else if err == nil {
		rep.print(os.Stdout)
	}
	if err == nil && *path != "" {
		err = rep.write(*path)
	}
	if err == nil && *draw != "" {
		err = rep.draw(*draw)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if rep.failed() {
		os.Exit(1)
	}
}

// measure runs what is asked for.
func measure(only *regexp.Regexp, long, whole bool) (*report, error) {
	tell := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	p, parts := quick, []macro.Plan{macro.Quick}
	if long {
		p, parts = full, []macro.Plan{macro.Full, macro.Other}
	}
	memory := footprints(only)
	results := p.measure(benchmarks(only), func(group string) { tell("measuring %s", group) })
	var together []*macro.Result
	for _, part := range parts {
		if !whole {
			break
		}
		more, err := part.Measure(systems, only, tell)
		if err != nil {
			return nil, err
		}
		together = append(together, more...)
	}
	return newReport(results, together, memory, long), nil
}
