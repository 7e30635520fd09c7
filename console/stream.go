package console

import (
	"bytes"
	"fmt"
	"net/http"
	"time"
)

// A stream looks at everything each tick, and less often where that takes long: it
// spends one part in frugality of a processor's time.
const (
	tick      = time.Second
	longest   = 10 * time.Second
	frugality = 250
)

// pause is how long a stream waits after a look that took so long.
func pause(took time.Duration) time.Duration { return min(max(tick, frugality*took), longest) }

const (
	heartbeat  = 15 * time.Second // when there is nothing new
	maxStreams = 64
	stalled    = 10 * time.Second // after which a reader is given up who does not read
)

// stream keeps a browser's page current (server-sent events, HTML 9.2): whenever
// what the page shows has changed it gets the whole of that anew.
func (c *Console) stream(w http.ResponseWriter, r *http.Request, path string, make func(*state, *http.Request) view) {
	if c.streams.Add(1) > maxStreams {
		c.streams.Add(-1)
		http.Error(w, "console: too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer c.streams.Add(-1)
	if v := make(c.recent(), r); !v.live {
		w.WriteHeader(http.StatusNoContent) // which tells an EventSource not to come back
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	control := http.NewResponseController(w)
	var last, now bytes.Buffer
	said := time.Now()
	for id := 1; ; {
		began := time.Now()
		now.Reset()
		if err := c.render(&now, "live", path, make(c.recent(), r), r); err != nil {
			return
		}
		wait := pause(time.Since(began))
		control.SetWriteDeadline(time.Now().Add(stalled)) //nolint:errcheck // not every writer has one
		var err error
		switch {
		case !bytes.Equal(now.Bytes(), last.Bytes()):
			err = writeEvent(w, id, now.Bytes())
			id++
			said = time.Now()
			last, now = now, last
		case time.Since(said) >= heartbeat:
			_, err = w.Write([]byte(":\n\n"))
			said = time.Now()
		}
		if err == nil {
			err = control.Flush()
		}
		if err != nil {
			return
		}
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return
		case <-c.ended:
			return
		}
	}
}

// writeEvent writes one event.
func writeEvent(w http.ResponseWriter, id int, data []byte) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: page\nid: %d\n", id)
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}
