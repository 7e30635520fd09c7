package retry_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/retry"
)

// static answers 200 with the same answer every time.
type static struct{ res *http.Response }

func (s static) RoundTrip(*http.Request) (*http.Response, error) { return s.res, nil }

func newStatic() static {
	return static{&http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}}
}

// A policy that does not fire adds nothing to the request's record.
func TestAPolicyThatDoesNotFireAllocatesNothing(t *testing.T) {
	r := request(t, "GET", "")
	record := testing.AllocsPerRun(100, func() { flow.Ensure(r) })
	rt := mustNew(t, retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}}).Transport(newStatic())
	require.Equal(t, record, testing.AllocsPerRun(100, func() { rt.RoundTrip(r) }))
}

func BenchmarkTransport(b *testing.B) {
	r := request(b, "GET", "")
	b.Run("at rest", func(b *testing.B) {
		rt := mustNew(b, retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}}).Transport(newStatic())
		b.ReportAllocs()
		for b.Loop() {
			rt.RoundTrip(r)
		}
	})
	b.Run("one retry", func(b *testing.B) {
		failing := &http.Response{StatusCode: 503, Header: http.Header{}, Body: http.NoBody}
		good := newStatic().res
		n := 0
		policy := mustNew(b, retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}, Budget: endless(b), Backoff: retry.Backoff{Base: 1, Max: 1}})
		rt := policy.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
			if n++; n%2 == 1 {
				return failing, nil
			}
			return good, nil
		}))
		b.ReportAllocs()
		for b.Loop() {
			rt.RoundTrip(r)
		}
	})
	b.Run("the record alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			flow.Ensure(r)
		}
	})
}
