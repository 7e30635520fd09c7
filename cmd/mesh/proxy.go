package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/forward"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/lb"
)

// drainFor is how long requests under way may take to end after SIGTERM.
const drainFor = 4 * time.Second

// proxyFlags are the flags of `mesh proxy`.
type proxyFlags struct {
	files     listFlag
	listen    string
	mode      string
	port      uint
	namespace string
	labels    mapFlag
	locality  string
	log       string
	format    string
}

func runProxy(ctx context.Context, args []string, _, stderr io.Writer) int {
	var p proxyFlags
	f := flag.NewFlagSet("mesh proxy", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, "usage: mesh proxy -f PATH [-f PATH ...] [flags]\n\n"+
			"Serves the requests of a process by the resources in PATH, a file, a folder or -, as its\n"+
			"sidecar would: the Host header names the service. It reloads on SIGHUP and when a file\n"+
			"changes, keeps the last good resources, and ends on SIGTERM.\n\n")
		f.PrintDefaults()
	}
	f.Var(&p.files, "f", "resources: a `path` of a file or folder, or -; may be given again")
	f.StringVar(&p.listen, "listen", "127.0.0.1:15001", "`address` to listen on")
	f.StringVar(&p.mode, "mode", "outbound", "outbound: the sidecar of a caller")
	f.UintVar(&p.port, "port", 80, "service port that requests are for")
	f.StringVar(&p.namespace, "namespace", "default", "namespace of the workload")
	f.Var(&p.labels, "labels", "labels of the workload, `k=v,...`")
	f.StringVar(&p.locality, "locality", "", "where the workload runs, `region/zone/subzone`")
	f.StringVar(&p.log, "access-log", "", "`file` for a line for each request, or -")
	f.StringVar(&p.format, "access-log-format", access.IstioText, "text or JSON with Envoy's `%COMMANDS%`")
	if status, ok := parse(f, args); !ok {
		return status
	}
	if len(p.files) == 0 || f.NArg() > 0 || p.port > 65535 {
		fmt.Fprintln(stderr, "mesh proxy: -f is needed, -port is at most 65535, and there are no other arguments")
		f.Usage()
		return exitUsage
	}
	if p.mode != "outbound" {
		fmt.Fprintf(stderr, "mesh proxy: -mode %s is not carried out; outbound is\n", p.mode)
		return exitUsage
	}
	if err := p.serve(ctx, stderr); err != nil {
		fmt.Fprintln(stderr, "mesh proxy:", err)
		return exitFailed
	}
	return exitOK
}

// serve runs the proxy until SIGTERM or the end of ctx.
func (p *proxyFlags) serve(ctx context.Context, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	sink, closeLog, err := openLog(p.log, p.format)
	if err != nil {
		return err
	}
	defer closeLog()
	locality, err := lb.ParseLocality(p.locality)
	if err != nil {
		return err
	}
	config, err := istio.ParseFiles(p.files...)
	if err != nil {
		return err
	}
	client, err := istio.NewClient(config, istio.ClientConfig{
		Workload:     istio.Workload{Namespace: p.namespace, Labels: p.labels, Locality: locality},
		Sinks:        []access.Sink{sink},
		ProxyHeaders: true,
		Logger:       logger,
	})
	if err != nil {
		return err
	}
	defer client.Close()
	server := forward.Server(forward.New(forward.Config{Client: client, Port: uint16(p.port)}))
	server.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
	listener, err := net.Listen("tcp", p.listen)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	go client.Run(running)
	go reload(running, p.files, config, client.Update, logger)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(forward.Listener(listener)) }()
	fmt.Fprintf(stderr, "mesh proxy: ready on %s\n", listener.Addr())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	drain, done := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer done()
	if err := server.Shutdown(drain); err != nil {
		server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
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

// listFlag is a flag that may be given again.
type listFlag []string

// String implements flag.Value.
func (l *listFlag) String() string { return strings.Join(*l, " ") }

// Set implements flag.Value.
func (l *listFlag) Set(s string) error {
	*l = append(*l, s)
	return nil
}

// mapFlag is a flag of pairs k=v with commas between.
type mapFlag map[string]string

// String implements flag.Value.
func (m *mapFlag) String() string { return "" }

// Set implements flag.Value.
func (m *mapFlag) Set(s string) error {
	*m = mapFlag{}
	for pair := range strings.SplitSeq(s, ",") {
		k, v, ok := strings.Cut(pair, "=")
		if !ok || k == "" {
			return fmt.Errorf("%q is not k=v", pair)
		}
		(*m)[k] = v
	}
	return nil
}
