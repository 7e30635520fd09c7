package route_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

var sizes = []int{10, 100, 1_000, 10_000}

// targets are requests for 64 of n routes, spread evenly.
func targets(n int, request func(i int) *http.Request) []*http.Request {
	all := make([]*http.Request, 64)
	for i := range all {
		all[i] = request(i * n / len(all))
	}
	return all
}

func byHeader(n int) ([]route.Rule[int], []*http.Request) {
	rules := make([]route.Rule[int], n)
	for i := range rules {
		rules[i] = route.Rule[int]{Name: fmt.Sprint("r", i), Value: i,
			Match: []match.Request{{Headers: []match.Field{{Name: "x-route", Value: match.Exact(fmt.Sprint("v", i))}}}}}
	}
	return rules, targets(n, func(i int) *http.Request {
		r, _ := http.NewRequest("GET", "http://svc/", nil)
		r.Header.Set("x-route", fmt.Sprint("v", i))
		return r
	})
}

func byPath(n int) ([]route.Rule[int], []*http.Request) {
	rules := make([]route.Rule[int], n)
	for i := range rules {
		rules[i] = route.Rule[int]{Name: fmt.Sprint("r", i), Value: i,
			Match: []match.Request{{Path: match.Template(fmt.Sprintf("/svc%d/items/{*}", i))}}}
	}
	return rules, targets(n, func(i int) *http.Request {
		return httptest.NewRequest("GET", fmt.Sprintf("/svc%d/items/42", i), nil)
	})
}

func mux(n int) *http.ServeMux {
	m := http.NewServeMux()
	h := http.NotFoundHandler()
	for i := range n {
		m.Handle(fmt.Sprintf("/svc%d/items/{id}", i), h)
	}
	return m
}

func benchLookup(b *testing.B, rules []route.Rule[int], requests []*http.Request) {
	table, err := route.New(rules...)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, ok := table.Lookup(requests[i&63]); !ok {
			b.Fatal("no rule")
		}
		i++
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("ours-header/n=%d", n), func(b *testing.B) {
			rules, requests := byHeader(n)
			benchLookup(b, rules, requests)
		})
	}
	for _, n := range sizes {
		b.Run(fmt.Sprintf("slice-walk-header/n=%d", n), func(b *testing.B) {
			_, requests := byHeader(n)
			values := make([]string, n)
			for i := range values {
				values[i] = fmt.Sprint("v", i)
			}
			i, found := 0, 0
			for b.Loop() {
				have := requests[i&63].Header["X-Route"]
				for j := range values {
					if len(have) > 0 && have[0] == values[j] {
						found = j
						break
					}
				}
				i++
			}
			_ = found
		})
	}
	for _, n := range sizes {
		b.Run(fmt.Sprintf("ours-path/n=%d", n), func(b *testing.B) {
			rules, requests := byPath(n)
			benchLookup(b, rules, requests)
		})
		b.Run(fmt.Sprintf("servemux-path/n=%d", n), func(b *testing.B) {
			m := mux(n)
			_, requests := byPath(n)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, p := m.Handler(requests[i&63]); p == "" {
					b.Fatal("no route")
				}
				i++
			}
		})
	}
}

func BenchmarkLookupByHost(b *testing.B) {
	for _, n := range []int{50, 5_000} {
		b.Run(fmt.Sprintf("ours-host/n=%d", n), func(b *testing.B) {
			rules := make([]route.Rule[int], n)
			for i := range rules {
				rules[i] = route.Rule[int]{Hosts: []string{fmt.Sprintf("svc%d.shop.svc.cluster.local", i)}, Value: i}
			}
			benchLookup(b, rules, targets(n, func(i int) *http.Request {
				r, _ := http.NewRequest("GET", fmt.Sprintf("http://svc%d.shop.svc.cluster.local:8080/", i), nil)
				return r
			}))
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, kind := range []struct {
		name  string
		rules func(int) ([]route.Rule[int], []*http.Request)
	}{{"ours-header", byHeader}, {"ours-path", byPath}} {
		b.Run(kind.name+"/n=10000", func(b *testing.B) {
			rules, _ := kind.rules(10_000)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := route.New(rules...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("servemux-path/n=10000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			mux(10_000)
		}
	})
}

// BenchmarkTransport is what one layer of matching adds to a transport that does
// nothing but answer.
func BenchmarkTransport(b *testing.B) {
	stub := roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	})
	table, err := route.New(
		route.ClientRule{Name: "canary", Match: []match.Request{{Headers: []match.Field{{Name: "x-canary", Value: match.Exact("true")}}}}, Value: stub},
		route.ClientRule{Name: "stable", Value: stub},
	)
	if err != nil {
		b.Fatal(err)
	}
	r, _ := http.NewRequest("GET", "http://svc/items/42", nil)
	for _, layer := range []struct {
		name      string
		transport http.RoundTripper
	}{{"bare", stub}, {"ours-match", route.Transport(table)}} {
		b.Run(layer.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := layer.transport.RoundTrip(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
