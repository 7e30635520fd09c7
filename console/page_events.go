package console

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/sidecarless/mesh/console/internal/words"
)

// An eventRow is an event in a list.
type eventRow struct {
	event
	Clock, Icon string
}

func (e event) row(now time.Time) eventRow {
	at := words.Clock(e.Time)
	if now.Sub(e.Time) > 12*time.Hour {
		at = e.Time.Format("2006-01-02 ") + at
	}
	return eventRow{e, at, icons[e.Level]}
}

func (c *Console) eventLog(s *state, _ *http.Request) view {
	rows := []eventRow{}
	for _, e := range s.events {
		rows = append(rows, e.row(s.at))
	}
	return view{
		title: "Events", page: "events", live: true, html: rows,
		json: func() any { return map[string]any{"events": slices.Concat([]event{}, s.events)} },
		text: func(w io.Writer) {
			for _, e := range s.events {
				fmt.Fprintf(w, "%s %-9s %s: %s", e.Time.Format(time.RFC3339), e.Kind, e.Subject, e.What)
				if e.Why != "" {
					fmt.Fprintf(w, " (%s)", e.Why)
				}
				fmt.Fprintln(w)
			}
		},
	}
}
