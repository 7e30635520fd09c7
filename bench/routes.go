package main

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"
	"github.com/julienschmidt/httprouter"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

var routeSizes = []int{10, 100, 1000, 10_000}

// targets are as many requests as are sent in turn, spread over all routes.
const targets = 64

func pathOf(i int) string { return "/svc" + strconv.Itoa(i) + "/items/7" }

// spread are requests for some of n routes.
func spread(n int, change func(r *http.Request, i int)) [targets]*http.Request {
	var all [targets]*http.Request
	for k := range all {
		i := k * n / targets
		all[k] = made(http.NewRequest(http.MethodGet, "http://reviews.example"+pathOf(i), nil))
		all[k].Header.Set("Accept", "application/json")
		if change != nil {
			change(all[k], i)
		}
	}
	return all
}

func header(r *http.Request, i int) { r.Header.Set("X-Route", headerOf(i)) }

func headerOf(i int) string { return "v" + strconv.Itoa(i) }

// lookUp makes a loop over requests.
func lookUp(all [targets]*http.Request, find func(r *http.Request) bool) func() loop {
	return func() loop {
		return func(n int) {
			for i := range n {
				if !find(all[i%targets]) {
					panic("no route was found")
				}
			}
		}
	}
}

// served makes a loop of a router that is a handler.
func served(n int, h http.Handler) func() loop {
	var w discard
	return lookUp(spread(n, nil), func(r *http.Request) bool {
		h.ServeHTTP(w, r)
		return true
	})
}

// A discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

// Header implements http.ResponseWriter.
func (d discard) Header() http.Header { return d.header }

// WriteHeader implements http.ResponseWriter.
func (discard) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (discard) Write(p []byte) (int, error) { return len(p), nil }

func nothing(http.ResponseWriter, *http.Request) {}

func pathTable(n int) *route.Table[int] {
	rules := make([]route.Rule[int], n)
	for i := range rules {
		pattern := match.Template("/svc" + strconv.Itoa(i) + "/items/{*}")
		rules[i] = route.Rule[int]{Match: []match.Request{{Path: pattern}}, Value: i}
	}
	return made(route.New(rules...))
}

func headerTable(n int) *route.Table[int] {
	rules := make([]route.Rule[int], n)
	for i := range rules {
		value := match.Exact(headerOf(i))
		rules[i] = route.Rule[int]{Match: []match.Request{{Headers: []match.Field{{Name: "x-route", Value: value}}}}, Value: i}
	}
	return made(route.New(rules...))
}

func toHost(r *http.Request, i int) { r.Host = hostOf(i) }

func hostTable(n int) *route.Table[int] {
	rules := make([]route.Rule[int], n)
	for i := range rules {
		rules[i] = route.Rule[int]{Hosts: []string{hostOf(i)}, Value: i}
	}
	return made(route.New(rules...))
}

func muxOfHosts(n int) http.Handler {
	m := http.NewServeMux()
	for i := range n {
		m.HandleFunc(hostOf(i)+"/", nothing)
	}
	return m
}

func muxOf(n int) http.Handler {
	m := http.NewServeMux()
	for i := range n {
		m.HandleFunc("/svc"+strconv.Itoa(i)+"/items/{id}", nothing)
	}
	return m
}

func chiOf(n int) http.Handler {
	m := chi.NewRouter()
	for i := range n {
		m.HandleFunc("/svc"+strconv.Itoa(i)+"/items/{id}", nothing)
	}
	return m
}

func httprouterOf(n int) http.Handler {
	m := httprouter.New()
	for i := range n {
		m.Handle(http.MethodGet, "/svc"+strconv.Itoa(i)+"/items/:id", func(http.ResponseWriter, *http.Request, httprouter.Params) {})
	}
	return m
}

// routes are the benchmarks of finding a route and of building what finds it.
func routes() []benchmark {
	found := func(t *route.Table[int]) func(*http.Request) bool {
		return func(r *http.Request) bool {
			_, ok := t.Lookup(r)
			return ok
		}
	}
	var list []benchmark
	for _, n := range routeSizes {
		size := fmt.Sprintf("/n=%d", n)
		for name, setup := range map[string]func() func() loop{
			"ours-path":   func() func() loop { return lookUp(spread(n, nil), found(pathTable(n))) },
			"servemux":    func() func() loop { return served(n, muxOf(n)) },
			"chi":         func() func() loop { return served(n, chiOf(n)) },
			"httprouter":  func() func() loop { return served(n, httprouterOf(n)) },
			"ours-header": func() func() loop { return lookUp(spread(n, header), found(headerTable(n))) },
			"ours-host":   func() func() loop { return lookUp(spread(n, toHost), found(hostTable(n))) },
			"servemux-host": func() func() loop {
				var w discard
				m := muxOfHosts(n)
				return lookUp(spread(n, toHost), func(r *http.Request) bool {
					m.ServeHTTP(w, r)
					return true
				})
			},
			"floor-walk": func() func() loop { return lookUp(spread(n, header), walk(n)) },
			"floor-hash": func() func() loop { return lookUp(spread(n, header), hashed(n)) },
		} {
			list = append(list, benchmark{name: "Route/" + name + size, setup: setup})
		}
		for name, build := range map[string]func(){
			"ours-path":   func() { pathTable(n) },
			"ours-header": func() { headerTable(n) },
			"servemux":    func() { muxOf(n) },
			"chi":         func() { chiOf(n) },
		} {
			if n == 10 {
				continue
			}
			list = append(list, benchmark{name: "Build/" + name + size, setup: op(func() func() { return build })})
		}
	}
	return list
}

// walk compares one route after the other.
func walk(n int) func(*http.Request) bool {
	type walked struct{ name, value string }
	all := make([]walked, n)
	for i := range all {
		all[i] = walked{"X-Route", headerOf(i)}
	}
	return func(r *http.Request) bool {
		for i := range all {
			if v := r.Header[all[i].name]; len(v) > 0 && v[0] == all[i].value {
				return true
			}
		}
		return false
	}
}

// hashed looks the header up in a map.
func hashed(n int) func(*http.Request) bool {
	all := make(map[string]int, n)
	for i := range n {
		all[headerOf(i)] = i
	}
	return func(r *http.Request) bool {
		v := r.Header["X-Route"]
		if len(v) == 0 {
			return false
		}
		_, ok := all[v[0]]
		return ok
	}
}
