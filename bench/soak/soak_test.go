package main

import (
	"os"
	"testing"
	"time"

	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// A minute where it has to hold, less where somebody waits.
func TestNothingIsLostAndNothingGrows(t *testing.T) {
	p := plan{length: 10 * time.Second, rate: 200, samples: 10}
	if os.Getenv("CI") != "" {
		p.length, p.samples = time.Minute, 60
	}
	if err := p.soak(t.Context(), t.Output()); err != nil {
		t.Fatal(err)
	}
}

func TestEveryRequestIsAccountedFor(t *testing.T) {
	told := func(l *ledger) { l.sent.Add(1); l.told.Add(1) }
	for name, tt := range map[string]struct {
		happens func(*ledger)
		right   bool
	}{
		"nothing":                         {func(*ledger) {}, true},
		"one ended well":                  {func(l *ledger) { told(l); l.note("ok", true) }, true},
		"one ended as it must not":        {func(l *ledger) { told(l); l.note("lost", false) }, false},
		"one has not ended":               {told, false},
		"one was not told to the log":     {func(l *ledger) { l.sent.Add(1); l.note("ok", true) }, false},
		"one was told twice":              {func(l *ledger) { told(l); l.told.Add(1); l.note("ok", true) }, false},
		"one ended that was not sent, ok": {func(l *ledger) { l.note("ok", true) }, false},
	} {
		var l ledger
		tt.happens(&l)
		if err := l.check(); (err == nil) != tt.right {
			t.Errorf("%s: %v", name, err)
		}
	}
}
