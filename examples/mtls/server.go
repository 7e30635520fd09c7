package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sidecarless/mesh/mtls"
)

// serve is the server's process. It prints its address when it is ready.
func serve(dir string) error {
	identity, err := mtls.New(mtls.Config{
		CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), RootsFile: filepath.Join(dir, "roots.pem"),
		Interval: 200 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	go identity.Run(context.Background()) // as long as the process runs
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	server := &http.Server{
		Handler: identity.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller, _ := mtls.Peer(r)
			fmt.Fprint(w, "hello ", caller)
		})),
		ErrorLog: log.New(io.Discard, "", 0), // of handshakes that failed
	}
	return server.Serve(identity.Listener(listener, func(uint16) mtls.Mode { return mtls.Strict }))
}

// start starts this program once more as the server, and gives its address.
func start(dir string) (address string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	c := exec.Command(self, "serve", dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := c.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { c.Process.Kill(); c.Wait() } //nolint:errcheck // it is being ended
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the server did not start: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}
