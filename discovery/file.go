package discovery

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/lb"
)

// A FileConfig says which file has the endpoints, and how often it is looked at.
type FileConfig struct {
	// Path is a JSON file of endpoints:
	//
	//	[{"addr": "10.0.0.1:9080", "weight": 2, "priority": 0,
	//	  "locality": "region/zone/subzone", "localityWeight": 1,
	//	  "labels": {"version": "v1"}, "hashKey": "a"}]
	//
	// All but addr may be left out; what is not known is refused. It may be
	// replaced at any time, and by a link, as Kubernetes does with what it mounts.
	Path string
	// Interval is the time from one look to the next; zero is 2 s. Each wait is up
	// to a fifth longer or shorter.
	Interval time.Duration
	// Logger gets changes and failures; nil is silent.
	Logger *slog.Logger
	// Rand draws the waits; nil is math/rand/v2.
	Rand func() uint64
}

// A File keeps the endpoints current that a file lists.
type File struct {
	poller
	path string
	// What was read last, and what it said. Only Run uses them.
	text []byte
	last []lb.Endpoint
}

// NewFile makes a File. Nothing is read before Run.
func NewFile(c FileConfig) (*File, error) {
	l := check.List{Prefix: "discovery"}
	if c.Path == "" {
		l.Add("Path", c.Path, "must not be empty")
	}
	l.NotNegative("Interval", c.Interval)
	if err := l.Err(); err != nil {
		return nil, err
	}
	f := &File{path: c.Path}
	f.poller = poller{what: c.Path, interval: cmp.Or(c.Interval, 2*time.Second), logger: c.Logger, rand: c.Rand, find: f.read}
	return f, nil
}

// Run looks at the file until ctx ends and returns the cause of that. It calls
// update with all endpoints when there are others than before; what update
// refuses is offered again the next time. A file that cannot be read, or is not
// right in all its parts, changes nothing; one with an empty list takes all
// endpoints away. Run may run once at a time.
func (f *File) Run(ctx context.Context, update func([]lb.Endpoint) error) error {
	return f.run(ctx, update)
}

func (f *File) read(context.Context) ([]lb.Endpoint, error) {
	text, err := os.ReadFile(f.path)
	if err != nil {
		return f.last, err
	}
	if f.text != nil && bytes.Equal(text, f.text) {
		return f.last, nil
	}
	list, err := parseEndpoints(text)
	if err != nil {
		return f.last, fmt.Errorf("%s: %w", f.path, err)
	}
	f.text, f.last = text, list
	return list, nil
}

// parseEndpoints reads the text of a file.
func parseEndpoints(text []byte) ([]lb.Endpoint, error) {
	var entries []struct {
		Addr           string            `json:"addr"`
		Weight         uint32            `json:"weight"`
		Priority       uint32            `json:"priority"`
		Locality       string            `json:"locality"`
		LocalityWeight uint32            `json:"localityWeight"`
		Labels         map[string]string `json:"labels"`
		HashKey        string            `json:"hashKey"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&entries); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one list of endpoints")
	}
	if entries == nil {
		return nil, fmt.Errorf("no list of endpoints")
	}
	var l check.List
	list := make([]lb.Endpoint, len(entries))
	for i, e := range entries {
		at := "[" + strconv.Itoa(i) + "]"
		if e.Addr == "" {
			l.Add(at+".addr", nil, "must not be empty")
		}
		list[i] = lb.Endpoint{
			Addr: e.Addr, Weight: e.Weight, Priority: e.Priority,
			LocalityWeight: e.LocalityWeight, Labels: e.Labels, HashKey: e.HashKey,
		}
		if e.Locality != "" {
			locality, err := lb.ParseLocality(e.Locality)
			l.Include(at+".locality", err)
			list[i].Locality = locality
		}
	}
	return list, l.Err()
}
