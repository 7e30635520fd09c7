package otelmesh

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
)

// metrics are the two durations, with the boundaries of the conventions.
type metrics struct {
	calls   httpconv.ClientRequestDuration
	served  httpconv.ServerRequestDuration
	clients labels[clientLabels]
	servers labels[serverLabels]
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	calls, err := httpconv.NewClientRequestDuration(meter)
	if err != nil {
		return nil, err
	}
	served, err := httpconv.NewServerRequestDuration(meter)
	return &metrics{calls: calls, served: served}, err
}

type clientLabels struct {
	method, scheme, host, protocol, errorType string
	port, status                              int
}

type serverLabels struct {
	method, scheme, protocol, route, errorType string
	status                                     int
}

// client measures an attempt. The context is that of its span, for exemplars.
func (m *metrics) client(a *attempt, status int, protocol, kind string) {
	l := clientLabels{a.method, a.place.scheme, a.place.host, protocol, kind, a.place.port, status}
	options := m.clients.of(l, func() []attribute.KeyValue {
		return common([]attribute.KeyValue{
			semconv.ServerAddress(l.host), semconv.ServerPort(l.port),
		}, l.method, l.scheme, l.protocol, l.errorType, l.status)
	})
	m.calls.Inst().Record(a.ctx, time.Since(a.start).Seconds(), options...)
}

// server measures a request that was served.
func (m *metrics) server(s *serving, e ending) {
	r := s.request
	l := serverLabels{methodOf(r), schemeOf(r), protocolOf(r.ProtoMajor, r.ProtoMinor), e.route, e.kind, e.status}
	options := m.servers.of(l, func() []attribute.KeyValue {
		var attrs []attribute.KeyValue
		if l.route != "" {
			attrs = append(attrs, semconv.HTTPRoute(l.route))
		}
		return common(attrs, l.method, l.scheme, l.protocol, l.errorType, l.status)
	})
	m.served.Inst().Record(s.Context, time.Since(s.flow.Start).Seconds(), options...)
}

// common appends what both sides tell.
func common(attrs []attribute.KeyValue, method, scheme, protocol, errorType string, status int) []attribute.KeyValue {
	attrs = append(attrs, semconv.HTTPRequestMethodKey.String(method), semconv.URLScheme(scheme))
	if protocol != "" {
		attrs = append(attrs, semconv.NetworkProtocolVersion(protocol))
	}
	if errorType != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(errorType))
	}
	if status != 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(status))
	}
	return attrs
}

// maxLabels is how many sets of attributes are kept ready. Callers that name many
// hosts make more, which cost more.
const maxLabels = 1000

// labels keeps sets of attributes ready by what they are made of. Its map is
// replaced when something new is met, and read without a lock.
type labels[K comparable] struct {
	known atomic.Pointer[map[K][]metric.RecordOption]
	mu    sync.Mutex // one replaces
}

func (l *labels[K]) of(key K, attrs func() []attribute.KeyValue) []metric.RecordOption {
	if known := l.known.Load(); known != nil {
		if options, ok := (*known)[key]; ok {
			return options
		}
	}
	options := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs()...))}
	l.mu.Lock()
	defer l.mu.Unlock()
	next := map[K][]metric.RecordOption{}
	if known := l.known.Load(); known != nil {
		if len(*known) >= maxLabels {
			return options
		}
		next = maps.Clone(*known)
	}
	next[key] = options
	l.known.Store(&next)
	return options
}
