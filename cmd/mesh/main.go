// Command mesh runs the mesh's own resources beside a process that is not
// written in Go, and checks them in a pipeline:
//
//	mesh proxy   -f mesh.yaml -listen 127.0.0.1:15001
//	mesh analyze mesh.yaml
//	mesh explain -f mesh.yaml http://reviews.shop/v2
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// Exit statuses, those of istioctl where it has one.
const (
	exitOK         = 0
	exitFailed     = 1
	exitUsage      = 64
	exitUnreadable = 65
	exitFindings   = 79
)

// A command is one word after "mesh".
type command struct {
	name, short string
	run         func(ctx context.Context, args []string, stdout, stderr io.Writer) int
}

var commands = []command{
	{"proxy", "be the sidecar of a process on this machine", runProxy},
	{"analyze", "say what is wrong with resources, without running them", runAnalyze},
	{"explain", "say what would become of a request, and why", runExplain},
	{"completion", "write a script for a shell to complete words", runCompletion},
}

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, args[1:], stdout, stderr)
		}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(stdout)
		return exitOK
	}
	fmt.Fprintf(stderr, "mesh: unknown command %q\n\n", args[0])
	usage(stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: mesh COMMAND [flags]\n\ncommands:")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-10s  %s\n", c.name, c.short)
	}
	fmt.Fprintln(w, "\n`mesh COMMAND -h` tells its flags.")
}

// parse reads flags; ok is false when there is nothing left to do but exit with
// status.
func parse(f *flag.FlagSet, args []string) (status int, ok bool) {
	switch err := f.Parse(args); {
	case err == nil:
		return 0, true
	case errors.Is(err, flag.ErrHelp):
		return exitOK, false
	}
	return exitUsage, false
}
