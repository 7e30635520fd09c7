package istio

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// A Watcher hands on the resources of files whenever they change, all of them or
// none: while they are wrong, the last good ones stay in force. Set its fields,
// then call [Watcher.Run] once.
//
// It compares names and contents, not times, so it sees editors that rename and
// the links that Kubernetes swaps in a mounted ConfigMap. A change counts when two
// looks in a row find the same, so that a file half written is not read.
type Watcher struct {
	// Paths are files and folders, as [ParseFiles] takes them.
	Paths []string

	// Loaded is what was read of them and is in force when Run starts. Without it
	// the first thing that is found counts as a change.
	Loaded *Config

	// Apply takes changed resources, as [Client.Update] does. On an error it must
	// have changed nothing. Required.
	Apply func(*Config) error

	// Interval is the time between two looks; zero is 500 ms.
	Interval time.Duration

	// Logger gets a line for each reload; nil is silent.
	Logger *slog.Logger

	mu     sync.Mutex
	status WatchStatus
	loaded *Config // by the last reload; nil before
}

// WatchStatus is what a [Watcher] has done.
type WatchStatus struct {
	Reloads  uint64    // times that changed resources came into force
	Failures uint64    // times that they did not
	Loaded   time.Time // of the last reload; zero if there was none

	// Err says why the files as they are now are not in force, and Failed since
	// when. They are nil and zero if they are in force.
	Err    error
	Failed time.Time
}

// Status is what was done so far.
func (w *Watcher) Status() WatchStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// Run watches until ctx ends, whose cause it returns. A value from reload, such as
// a signal, has the files read at once, changed or not; reload may be nil. The
// standard input cannot be read again: with "-" among the paths the error says so.
func (w *Watcher) Run(ctx context.Context, reload <-chan os.Signal) error {
	if slices.Contains(w.Paths, "-") {
		return errors.New("istio: the standard input cannot be watched")
	}
	interval := w.Interval
	if interval <= 0 {
		interval = 500 * time.Millisecond
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var used, last digest
	if w.Loaded != nil {
		used, last = w.Loaded.digest, w.Loaded.digest
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-reload:
			last = digestOf(w.Paths)
		case <-tick.C:
			now := digestOf(w.Paths)
			settled := now == last
			last = now
			if !settled || now == used {
				continue
			}
		}
		used = last
		w.load()
	}
}

// load reads the files and hands on what they hold.
func (w *Watcher) load() {
	config, err := ParseFiles(w.Paths...)
	if err == nil {
		err = w.Apply(config)
	}
	w.note(config, err)
	switch {
	case w.Logger == nil:
	case err != nil:
		w.Logger.Error("the new resources are not used, the last good ones stay in force", "err", err)
	default:
		w.Logger.Info("new resources are in force")
	}
}

// note keeps how a reload went.
func (w *Watcher) note(config *Config, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.status
	s.Err = err
	if err == nil {
		s.Reloads++
		w.loaded = config
		s.Loaded, s.Failed = time.Now(), time.Time{}
		return
	}
	s.Failures++
	if s.Failed.IsZero() {
		s.Failed = time.Now()
	}
}

// inForce is what was loaded last.
func (w *Watcher) inForce() *Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	return cmp.Or(w.loaded, w.Loaded)
}

// A digest is of all that was read: what has the same one is the same.
type digest [sha256.Size]byte

// digestOf is the digest of what [ParseFiles] would read.
func digestOf(paths []string) (sum digest) {
	h := sha256.New()
	manifest.Files{
		Document: func(d manifest.Document) { hashDocument(h, d) },
		Missing:  func(name, reason string) { hashMissing(h, name, reason) },
	}.Paths(paths...)
	h.Sum(sum[:0])
	return sum
}

func hashDocument(h hash.Hash, d manifest.Document) {
	fmt.Fprintf(h, "%q:%d:%d\n", d.File, d.Line, len(d.Text))
	h.Write(d.Text)
}

func hashMissing(h hash.Hash, name, reason string) { fmt.Fprintf(h, "%q: %q\n", name, reason) }
