package access

import (
	"context"
	"log/slog"
)

// A Sink takes each Record, on the goroutine that saw the last byte pass: it
// must not block. The context has the values of the request's context, with those
// that layers put there, and does not end.
type Sink func(context.Context, Record)

// Join is a Sink that hands each Record to all of sinks in their order. Nil
// ones are left out; without any it is nil.
func Join(sinks ...Sink) Sink {
	var all []Sink
	for _, s := range sinks {
		if s != nil {
			all = append(all, s)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return func(ctx context.Context, r Record) {
		for _, s := range all {
			s(ctx, r)
		}
	}
}

// Slog writes each Record to l: at level Warn when the answer was 500 or above
// or there was none, else at Info, with the attributes of [Record.LogValue].
func Slog(l *slog.Logger) Sink {
	return func(ctx context.Context, r Record) {
		level := slog.LevelInfo
		if r.Status >= 500 || r.Status == 0 {
			level = slog.LevelWarn
		}
		if l.Enabled(ctx, level) {
			l.LogAttrs(ctx, level, "request", r.LogValue().Group()...)
		}
	}
}
