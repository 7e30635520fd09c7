package main

import (
	"context"
	"crypto/sha256"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sidecarless/mesh/config/istio"
)

// lookEvery is how often the files are looked at. A change counts when two looks
// in a row find the same, so that a file half written is not read.
const lookEvery = 500 * time.Millisecond

// An updater takes new resources, or refuses them and goes on with the old.
type updater interface {
	Update(*istio.Config) error
}

// reload hands on changed resources until ctx ends. Bad ones are reported and
// change nothing.
func reload(ctx context.Context, paths []string, to updater, logger *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	used := fingerprint(paths)
	last := used
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		case <-tick.C:
			now := fingerprint(paths)
			settled := now == last
			last = now
			if !settled || now == used {
				continue
			}
		}
		used = last
		config, err := istio.ParseFiles(paths...)
		if err == nil {
			err = to.Update(config)
		}
		if err != nil {
			logger.Error("the new resources are not used, the last good ones stay in force", "err", err)
			continue
		}
		logger.Info("new resources are in force")
	}
}

// fingerprint tells whether the files below paths are as they were: by name and
// content, so that the swap of a link is seen, too.
func fingerprint(paths []string) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, path := range paths {
		if path == "-" {
			continue
		}
		// What cannot be read now is reported when it is loaded.
		_ = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				if content, err := os.ReadFile(name); err == nil {
					h.Write([]byte(name))
					h.Write([]byte{0})
					h.Write(content)
				}
			}
			return nil
		})
	}
	h.Sum(sum[:0])
	return sum
}
