package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/console/internal/words"
)

// maxEvents is how many events are shown.
const maxEvents = 256

// An event is a change of state.
type event struct {
	Time    time.Time `json:"t"`
	Kind    string    `json:"kind"`    // ejection, circuit or reload
	Subject string    `json:"subject"` // what has changed
	What    string    `json:"what"`
	Why     string    `json:"why,omitempty"`
	Level   string    `json:"level"` // bad, warn or ok
}

// events are the last changes, the newest first.
func (c *Console) events(s *state) []event {
	var all []event
	for _, u := range c.upstreams() {
		for e := range u.Detector().Journal() {
			all = append(all, ejectionEvent(u.Name(), e))
		}
		for e := range u.Breaker().Changes() {
			all = append(all, circuitEvent(cmp.Or(u.Name(), e.Name), e))
		}
	}
	for i, b := range c.config.Breakers {
		for e := range b.Changes() {
			s.circuits[i].name = e.Name
			all = append(all, circuitEvent(e.Name, e))
		}
	}
	if r := s.reload; r != nil {
		if !r.Loaded.IsZero() {
			all = append(all, event{r.Loaded, "reload", "configuration", "loaded anew", "", "ok"})
		}
		if r.Err != nil {
			all = append(all, event{r.Failed, "reload", "configuration", "not loaded, the last good one stays", words.FirstLine(r.Err.Error()), "bad"})
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return b.Time.Compare(a.Time) })
	return all[:min(len(all), maxEvents)]
}

func ejectionEvent(upstream string, e outlier.Ejection) event {
	made := event{Time: e.Since, Kind: "ejection", Subject: words.ShortName(upstream) + " " + e.Host.Addr(), What: e.Kind.String(), Level: "warn"}
	made.Why = strings.TrimSpace(string(e.Reason) + " " + e.Detail)
	switch e.Kind {
	case outlier.Ejected:
		made.What = fmt.Sprintf("ejected for %s, for the %s time", words.Short(e.Until.Sub(e.Since)), ordinal(e.Times))
		made.Level = "bad"
	case outlier.Returned:
		made.Time, made.Level = e.Until, "ok"
		made.What = "in use again after " + words.Short(e.Until.Sub(e.Since))
	}
	return made
}

func circuitEvent(name string, c breaker.Change) event {
	e := event{Time: c.Time, Kind: "circuit", Subject: words.ShortName(name), What: c.From.String() + " → " + c.To.String(), Why: c.Cause, Level: "warn"}
	if c.Key != "" {
		e.Subject += " " + c.Key
	}
	switch c.To {
	case breaker.Open:
		e.Level = "bad"
	case breaker.Closed:
		e.Level = "ok"
	}
	return e
}

func ordinal(n int) string {
	switch n {
	case 1:
		return "first"
	case 2:
		return "second"
	case 3:
		return "third"
	}
	return fmt.Sprintf("%dth", n)
}
