package metrics

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecarless/mesh"
)

// A key is all of a request that its labels depend on, as it stands in the record:
// no text is made to look up what was made before.
type key struct {
	cluster  string // of a client; empty for servers
	host     string // empty where another part says what was asked for
	peer     *mesh.Workload
	endpoint string // its address, where peer is not known
	identity identity
	flags    mesh.Flag
	status   int32
	grpc     int16 // the status of a call of gRPC, or one of those below
	mutual   bool
}

// Instead of the status of a call of gRPC.
const (
	notGRPC    = -1
	grpcNoCode = -2
)

// An identity is a SPIFFE ID in the two parts in which certificates have it.
type identity struct{ domain, path string }

func (i identity) String() string {
	if i == (identity{}) {
		return ""
	}
	return "spiffe://" + i.domain + i.path
}

// A series is the handles of one set of labels.
type series struct {
	key key // what it was made for

	requests                          prometheus.Counter
	duration, received, sent          prometheus.Observer
	requestMessages, responseMessages prometheus.Counter // of gRPC; nil otherwise

	folded bool     // it stands for those that are too many
	to     *traffic // of the cluster; nil without one
}

// most is how many keys may lead to as many series as may be: a workload that was
// forgotten and met again is another key, and its labels are the same.
const most = 4

// add makes what is not known yet. The function describe tells the labels of a key.
func (m *Metrics) add(r *reporter, k key, describe func(key) labels) *series {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := *r.known.Load()
	if s := known[k]; s != nil {
		return s
	}
	told := k
	if !m.admit(k.peer) {
		told.peer = nil
	}
	values := describe(told)
	s := m.sets[values]
	if s == nil {
		if len(m.sets) >= m.config.MaxSeries {
			folded := m.folding(values)
			folded.to = m.attempts.of(k.cluster)
			return &folded
		}
		s = m.handles(values, k.grpc != notGRPC)
		m.sets[values] = s
	}
	entry := *s
	entry.key, entry.to = k, m.attempts.of(k.cluster)
	var next map[key]*series
	if len(known) < most*m.config.MaxSeries {
		next = maps.Clone(known)
	} else {
		next = map[key]*series{}
	}
	next[k] = &entry
	r.known.Store(&next)
	return &entry
}

// admit reports whether a workload is one of those that are told apart.
func (m *Metrics) admit(w *mesh.Workload) bool {
	if w == nil {
		return true
	}
	id := *w
	id.Instance = "" // no label
	if m.peers[id] {
		return true
	}
	if len(m.peers) >= m.config.MaxPeers {
		return false
	}
	m.peers[id] = true
	return true
}

// folding is the series of what has the labels of too many: those of its side and
// nothing else.
func (m *Metrics) folding(values labels) series {
	own, other := party{m.own, unknown}, peerOf(nil, "")
	from, to := own, other
	if values[0] == reporterDestination {
		from, to = other, own
	}
	values = labelsOf(values[0], from, to, service{}, end{unknown, unknown, "", "-", unknown})
	s := *m.handles(values, true)
	s.folded = true
	return s
}

func (m *Metrics) handles(values labels, grpc bool) *series {
	all := values[:]
	s := &series{
		requests: m.families.requests.WithLabelValues(all...),
		duration: m.families.duration.WithLabelValues(all...),
		received: m.families.received.WithLabelValues(all...),
		sent:     m.families.sent.WithLabelValues(all...),
	}
	if grpc {
		s.requestMessages = m.families.requestMessages.WithLabelValues(all[:baseLabels]...)
		s.responseMessages = m.families.responseMessages.WithLabelValues(all[:baseLabels]...)
	}
	return s
}
