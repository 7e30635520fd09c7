package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/istio"
)

// proxyFlags are the flags of `mesh proxy`.
type proxyFlags struct {
	workloadFlags
	listen string
	port   uint
	log    string
	format string
	admin  string
	app    appFlags
	edge   gatewayFlags
}

func runProxy(ctx context.Context, args []string, _, stderr io.Writer) int {
	var p proxyFlags
	f := flag.NewFlagSet("mesh proxy", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, "usage: mesh proxy -f PATH... [flags]\n\n"+
			"Serves the requests of a process by the resources in PATH, a file, a folder or -, as its\n"+
			"sidecar would: the Host header names the service. It reloads on SIGHUP and when a file\n"+
			"changes, keeps the last good resources, and ends on SIGTERM.\n\n")
		f.PrintDefaults()
	}
	p.workloadFlags.register(f)
	f.StringVar(&p.listen, "listen", "127.0.0.1:15001", "`address` to listen on")
	f.UintVar(&p.port, "port", 80, "service port that requests are for")
	f.StringVar(&p.log, "access-log", "", "`file` for a line for each request, or -")
	f.StringVar(&p.format, "access-log-format", access.IstioText, "text or JSON with Envoy's `%COMMANDS%`")
	f.StringVar(&p.admin, "admin", "", "`address` of a console for browsers and curl, with metrics at /stats/prometheus; one of loopback is for this machine only")
	p.app.register(f)
	p.edge.register(f)
	// More paths may follow the one of -f, and flags may follow those.
	for args != nil {
		if status, ok := parse(f, args); !ok {
			return status
		}
		if args = nil; f.NArg() > 0 && len(p.files) > 0 {
			p.files = append(p.files, f.Arg(0))
			args = f.Args()[1:]
		}
	}
	if len(p.files) == 0 || f.NArg() > 0 || p.port > 65535 {
		fmt.Fprintln(stderr, "mesh proxy: -f is needed, before any other path, and -port is at most 65535")
		f.Usage()
		return exitUsage
	}
	var begin makeSide = p.outbound
	switch p.mode {
	case "outbound":
	case "inbound":
		begin = p.inbound
		if err := p.app.check(); err != nil {
			fmt.Fprintln(stderr, "mesh proxy:", err)
			return exitUsage
		}
	case "gateway":
		begin = p.gateway
	default:
		fmt.Fprintf(stderr, "mesh proxy: -mode %s is not carried out; outbound, inbound and gateway are\n", p.mode)
		return exitUsage
	}
	if err := p.serve(ctx, begin, stderr); err != nil {
		fmt.Fprintln(stderr, "mesh proxy:", err)
		return exitFailed
	}
	return exitOK
}

// serve runs the proxy until SIGTERM or the end of ctx.
func (p *proxyFlags) serve(ctx context.Context, begin makeSide, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	sink, closeLog, err := openLog(p.log, p.format)
	if err != nil {
		return err
	}
	defer closeLog()
	config, err := istio.ParseFiles(p.files...)
	if err != nil {
		return err
	}
	if err := heed(config, logger); err != nil {
		return err
	}
	shown, err := p.newAdmin(config)
	if err != nil {
		return err
	}
	side, err := begin(config, sink, shown, logger)
	if err != nil {
		return err
	}
	defer side.close()
	watcher := &istio.Watcher{Paths: p.files, Loaded: config, Apply: side.update, Logger: logger}
	shown.watch(side, watcher)

	running, end := context.WithCancelCause(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer end(nil)
	background.Go(func() { side.run(running) })
	background.Go(reloads(running, watcher, logger))
	if shown != nil {
		l, err := net.Listen("tcp", p.admin)
		if err != nil {
			return err
		}
		logger.Info("showing metrics", "address", l.Addr().String())
		background.Go(func() {
			if err := shown.serve(running, l); err != nil {
				end(err)
			}
		})
	}
	listener, err := net.Listen("tcp", p.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "mesh proxy: ready on %s\n", listener.Addr())
	if err := newFront(side, logger).run(running, listener); err != nil || ctx.Err() != nil {
		return err
	}
	return context.Cause(running)
}

// heed tells warnings. Documents of which none is read are an error: who gives them
// to a proxy means that it does something.
func heed(config *istio.Config, logger *slog.Logger) error {
	var skipped []error
	for f := range config.Findings() {
		if f.Level == istio.Warning {
			logger.Warn(f.Error())
		}
		if f.Code == istio.CodeSkipped {
			skipped = append(skipped, f)
		}
	}
	for range config.Resources() {
		return nil
	}
	return errors.Join(skipped...)
}

// openLog is a sink that writes to a file or to standard output.
func openLog(name, format string) (access.Sink, func() error, error) {
	switch name {
	case "":
		return nil, func() error { return nil }, nil
	case "-":
		sink, err := access.Envoy(os.Stdout, format)
		return sink, func() error { return nil }, err
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, err
	}
	sink, err := access.Envoy(file, format)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return sink, file.Close, nil
}
