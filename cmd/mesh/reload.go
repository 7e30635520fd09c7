package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/sidecarless/mesh/config/istio"
)

// reloads is what hands on changed resources, and on SIGHUP all of them, until ctx ends.
// From now on that signal does not end the process.
func reloads(ctx context.Context, w *istio.Watcher, logger *slog.Logger) (run func()) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return func() {
		defer signal.Stop(hup)
		if err := w.Run(ctx, hup); ctx.Err() == nil {
			logger.Warn("the resources stay as they are", "err", err)
			<-ctx.Done()
		}
	}
}
