package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	var p plan
	flag.DurationVar(&p.length, "for", time.Hour, "how long")
	flag.IntVar(&p.rate, "rate", 200, "requests a second")
	flag.IntVar(&p.samples, "samples", 120, "how often to look at heap and goroutines")
	flag.Parse()
	if flag.NArg() > 0 || p.length <= 0 || p.rate <= 0 || p.samples < 10 {
		flag.Usage()
		os.Exit(64)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := p.soak(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
