package otelmesh_test

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// A told span is one of this process, of another one or of an Envoy, as far as
// traces are joined by it.
type told struct {
	Trace, ID, Parent string // in hexadecimal digits
	By, Kind          string // who tells it; "server", "client" or "internal"
	RequestID         string
}

func toldOf(by string, s sdktrace.ReadOnlySpan) told {
	one := told{
		Trace: s.SpanContext().TraceID().String(), ID: s.SpanContext().SpanID().String(),
		By: by, Kind: s.SpanKind().String(), RequestID: attributes(s)["mesh.request_id"],
	}
	if s.Parent().IsValid() {
		one.Parent = s.Parent().SpanID().String()
	}
	return one
}

// A collector takes spans of others: our own form, that of OTLP over HTTP and
// Zipkin's.
type collector struct {
	address string // HOST:PORT

	mu  sync.Mutex
	all []told
}

func newCollector(t *testing.T) *collector {
	c := new(collector)
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.address = server.Listener.Addr().String()
	return c
}

// ServeHTTP implements http.Handler.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var all []told
	switch {
	case err != nil:
	case r.URL.Path == "/v1/traces":
		all = otlp(body)
	case r.URL.Path == "/api/v2/spans":
		all, err = zipkin(body)
		w.WriteHeader(http.StatusAccepted)
	default:
		err = json.Unmarshal(body, &all)
	}
	if err != nil {
		panic(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, all...)
}

func (c *collector) collected() []told {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// otlp reads an ExportTraceServiceRequest: the spans in field 2 of field 2 of
// field 1.
func otlp(message []byte) (all []told) {
	for _, resource := range fields(message, 1) {
		for _, scope := range fields(resource, 2) {
			for _, span := range fields(scope, 2) {
				one := told{Trace: hexOf(fields(span, 1)), ID: hexOf(fields(span, 2)), Parent: hexOf(fields(span, 4)), By: "envoy"}
				one.Kind = map[uint64]string{1: "internal", 2: "server", 3: "client"}[varint(span, 6)]
				all = append(all, one)
			}
		}
	}
	return all
}

// fields are the values of a field of bytes.
func fields(message []byte, number protowire.Number) (values [][]byte) {
	each(message, func(n protowire.Number, value []byte, _ uint64) {
		if n == number {
			values = append(values, value)
		}
	})
	return values
}

func varint(message []byte, number protowire.Number) (v uint64) {
	each(message, func(n protowire.Number, _ []byte, value uint64) {
		if n == number {
			v = value
		}
	})
	return v
}

func each(message []byte, f func(n protowire.Number, bytes []byte, value uint64)) {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			panic("no protobuf")
		}
		message = message[size:]
		var bytes []byte
		var value uint64
		switch kind {
		case protowire.BytesType:
			bytes, size = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			value, size = protowire.ConsumeVarint(message)
		default:
			size = protowire.ConsumeFieldValue(n, kind, message)
		}
		if size < 0 {
			panic("no protobuf")
		}
		f(n, bytes, value)
		message = message[size:]
	}
}

func hexOf(values [][]byte) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, v := range values {
		for _, c := range v {
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

func zipkin(body []byte) (all []told, err error) {
	var spans []struct{ TraceID, ID, ParentID, Kind string }
	err = json.Unmarshal(body, &spans)
	for _, s := range spans {
		all = append(all, told{Trace: s.TraceID, ID: s.ID, Parent: s.ParentID, By: "envoy", Kind: strings.ToLower(s.Kind)})
	}
	return all, err
}

// chain writes spans of one trace, each of which has one child at most, from the
// root on. It requires that they are of one trace and that nothing is missing.
func chain(t *testing.T, all []told) string {
	t.Helper()
	byParent := map[string]told{}
	ids := map[string]bool{}
	for _, one := range all {
		require.Equal(t, all[0].Trace, one.Trace, "one trace")
		require.NotContains(t, byParent, one.Parent, "one child")
		byParent[one.Parent] = one
		ids[one.ID] = true
	}
	roots := slices.DeleteFunc(slices.Clone(all), func(one told) bool { return ids[one.Parent] })
	require.Len(t, roots, 1, "one root")
	var b strings.Builder
	for one, more := roots[0], true; more; one, more = byParent[one.ID] {
		b.WriteString(one.By + " " + one.Kind + "\n")
	}
	require.Len(t, strings.Split(strings.TrimSpace(b.String()), "\n"), len(all), "all of them: %v", all)
	return b.String()
}

// eventuallyTold waits for n spans of this process and of others.
func eventuallyTold(t *testing.T, n int, s *spans, c *collector) []told {
	t.Helper()
	var all []told
	require.Eventually(t, func() bool {
		all = c.collected()
		for _, one := range s.Ended() {
			all = append(all, toldOf("here", one))
		}
		return len(all) >= n
	}, eventually, pollEvery, "%d spans", n)
	slices.SortFunc(all, func(a, b told) int { return cmp.Compare(a.ID, b.ID) })
	require.Len(t, all, n)
	return all
}
