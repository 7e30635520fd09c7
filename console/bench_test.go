package console_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

// thousand is a console with a thousand endpoints under traffic.
func thousand(tb testing.TB) *console.Console {
	page := newConsole(tb, console.Config{Series: 2048})
	status := map[string]int{}
	for i := range 10 {
		c := upstream.Config{Name: fmt.Sprintf("outbound|80||svc%d.default.svc.cluster.local", i), NoRetry: true}
		for j := range 100 {
			addr := fmt.Sprintf("10.0.%d.%d:80", i, j)
			status[addr] = 200
			c.Endpoints = append(c.Endpoints, lb.Endpoint{Addr: addr})
		}
		c.Balance.Algorithm, c.Transport = lb.RoundRobin{}, answering(status)
		u, err := upstream.New(c)
		require.NoError(tb, err)
		tb.Cleanup(func() { u.Close() })
		page.Add(console.Source{Upstreams: func() []*upstream.Upstream { return []*upstream.Upstream{u} }})
		send(tb, page, u, 200)
	}
	return page
}

// BenchmarkPoll is one look at a thousand endpoints. A page that stays current
// takes one a second, or if it takes more than 4 ms as many fewer.
func BenchmarkPoll(b *testing.B) {
	page := thousand(b)
	for _, path := range []string{"/", "/clusters", "/decisions", "/stats"} {
		for _, format := range []string{"html", "json", "text"} {
			b.Run(path+format, func(b *testing.B) {
				b.ReportAllocs()
				before := cpu(b)
				for b.Loop() {
					if w := get(page, path+"?format="+format); w.Code != http.StatusOK {
						b.Fatal(w.Code)
					}
				}
				b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
			})
		}
	}
}

// cpu is the processor time that this process has used.
func cpu(tb testing.TB) time.Duration {
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWatch is a second of a page that stays current while a thousand
// endpoints have traffic: what counts is the processor time.
func BenchmarkWatch(b *testing.B) {
	for _, path := range []string{"/", "/clusters"} {
		b.Run(path, func(b *testing.B) {
			page := thousand(b)
			server := httptest.NewServer(page)
			defer server.Close()
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+path, nil)
			require.NoError(b, err)
			r.Header.Set("Accept", "text/event-stream")
			res, err := http.DefaultTransport.RoundTrip(r)
			require.NoError(b, err)
			defer res.Body.Close()
			go io.Copy(io.Discard, res.Body) //nolint:errcheck // until it is closed
			before, began := cpu(b), time.Now()
			for b.Loop() {
				time.Sleep(time.Second)
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/time.Since(began).Seconds(), "cpu-ms/s")
		})
	}
}

func BenchmarkSink(b *testing.B) {
	for _, retries := range []int{0, 2} {
		r := record(nil)
		for n := range retries {
			r.Tries = append(r.Tries, mesh.Try{N: n + 1, Endpoint: "10.0.0.2:80", Status: 503, Start: r.Start, Why: "5xx"})
		}
		r.Request = httptest.NewRequest(http.MethodGet, "http://reviews/1", nil)
		b.Run(fmt.Sprintf("retries=%d", retries), func(b *testing.B) {
			page := newConsole(b, console.Config{})
			b.ReportAllocs()
			for b.Loop() {
				page.Sink(b.Context(), r)
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		page := newConsole(b, console.Config{})
		r := record(nil)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				page.Sink(b.Context(), r)
			}
		})
	})
}

func TestASinkAllocatesNothing(t *testing.T) {
	page := newConsole(t, console.Config{Sources: []console.Source{{
		Reads: func() *console.Reads { return &reads },
	}}})
	r := record(func(r *access.Record) {
		r.Tries = []mesh.Try{{N: 1, Endpoint: "10.0.0.2:80", Status: 503, Why: "5xx"}}
		r.Request = httptest.NewRequest(http.MethodGet, "http://reviews/1", nil)
		r.Request.Header.Set("End-User", "jason")
	})
	for range 1000 {
		tell(page, r)
	}
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() { tell(page, r) }), 0.1)
}

var reads = console.Reads{Headers: []string{"End-User"}}
