package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/sidecarless/mesh/config/istio"
)

// reload hands on changed resources, and on SIGHUP all of them, until ctx ends.
func reload(ctx context.Context, w *istio.Watcher, logger *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	if err := w.Run(ctx, hup); ctx.Err() == nil {
		logger.Warn("the resources stay as they are", "err", err)
		<-ctx.Done()
	}
}
