package upstream_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/upstream"
)

// BenchmarkStack is the whole of an upstream but for the connections.
func BenchmarkStack(b *testing.B) {
	body := io.NopCloser(eof{})
	u := open(b, upstream.Config{
		Endpoints: lb.Addrs("a:80", "b:80", "c:80"),
		Retry:     retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}},
		Breaker:   breaker.Config{Trip: breaker.Trip{Consecutive: 5}, Limits: breaker.LimitsConfig{MaxRequests: 1024}},
		Transport: roundTrip(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200, Body: body}, nil }),
	})
	r, err := http.NewRequest(http.MethodGet, "http://reviews/", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		res, err := u.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		res.Body.Close()
	}
}

// BenchmarkLoopback is a request over a connection, beside net/http's own pool.
func BenchmarkLoopback(b *testing.B) {
	addr := serve(b, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	u := open(b, upstream.Config{Endpoints: lb.Addrs(addr)})
	plain := &http.Transport{DisableCompression: true}
	defer plain.CloseIdleConnections()
	for name, rt := range map[string]http.RoundTripper{"ours": u, "http.Transport": plain} {
		b.Run(name, func(b *testing.B) {
			r, err := http.NewRequest(http.MethodGet, "http://"+addr+"/", nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				res, err := rt.RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
}
