package console_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/split"
	"github.com/sidecarless/mesh/upstream"
)

const cluster = "outbound|80|v1|reviews.default.svc.cluster.local"

// full is a console with something of everything.
func full(t testing.TB) *console.Console {
	u := newUpstream(t, cluster)
	s, err := split.New(split.Branch[string]{Name: "v1", Weight: 90, Value: "a"}, split.Branch[string]{Name: "v2", Weight: 10, Value: "b"})
	require.NoError(t, err)
	b, err := breaker.New(breaker.Config{Name: "payments", Trip: breaker.Trip{Consecutive: 1}})
	require.NoError(t, err)
	permit, err := b.Acquire(t.Context())
	require.NoError(t, err)
	permit.Done(mesh.Outcome{Kind: mesh.Failure, Status: 503})
	config := &console.Configuration{
		Rules: []console.Rule{
			{Hosts: []string{"reviews"}, Name: "jason", Match: `header end-user exact "jason"`, Source: "mesh.yaml:12: VirtualService default/reviews",
				Branches: []console.Branch{{Upstream: cluster, Percent: 90}, {Upstream: "outbound|80|v2|reviews.default.svc.cluster.local", Percent: 10}}},
			{Hosts: []string{"old"}, Name: "moved", Then: "redirect 301", Source: "mesh.yaml:30: VirtualService default/old"},
		},
		Resources: []console.Resource{{Kind: "VirtualService", Name: "default/reviews", Source: "mesh.yaml:3"}},
		Warnings:  []*mesh.Problem{{Source: "mesh.yaml:4", Field: "spec", Reason: "is never reached"}},
	}
	page := newConsole(t, console.Config{
		Title: "productpage", Upstreams: []*upstream.Upstream{u}, Breakers: []*breaker.Breaker{b},
		Splits: []console.Split{console.SplitOf("reviews", s)},
		Sources: []console.Source{{
			Configuration: func() *console.Configuration { return config },
			Explain:       func(r *http.Request) any { return fmt.Sprintf("rule jason for %s%s\n", r.URL.Host, r.URL.Path) },
			Reads: func() *console.Reads {
				return &console.Reads{Headers: []string{"End-User", "Cookie"}, Queries: []string{"page", "api_key"}}
			},
			Reload: func() console.Reload {
				return console.Reload{Loads: 2, Failures: 1, Loaded: time.Now().Add(time.Hour), Failed: time.Now(), Err: errors.New("mesh.yaml:9: bad weight\nmesh.yaml:10: worse")}
			},
		}},
	})
	send(t, page, u, 8)
	return page
}

// Every path says the same to browsers, to curl and to scripts.
func TestPages(t *testing.T) {
	page := full(t)
	mux := http.NewServeMux()
	mux.Handle("/debug/mesh/", page)
	for _, tt := range []struct {
		path             string
		html, text, json []string // what is to be found
	}{
		{
			"", []string{"productpage", "Where requests go", "<svg", "1 of 2", "ejected until", `href="decisions/8"`, "bad weight"},
			[]string{"productpage", "8 in all", "✕ 10.0.0.2:80", "ejected until", "! The configuration as it is now is not in force: mesh.yaml:9: bad weight\n", "200 - GET reviews/1?user=* ", "id=abc"},
			[]string{`"id": "endpoint:` + cluster + `/10.0.0.2:80"`, `"state": "bad"`, `"kind": "split"`, `"weight": "90 %"`},
		},
		{
			"decisions", []string{"GET reviews/1?user=*", "10.0.0.1:80", `name="flag"`},
			[]string{"200 - GET reviews/1?user=* ", "try 1  10.0.0.1:80 200", "try 1  10.0.0.2:80 failed", "cause  connection refused"},
			[]string{`"path": "/1?user=*"`, `"requestId": "abc"`, `"cause": "connection refused"`},
		},
		{
			"decisions/8", []string{"Decision 8", "To paste into an issue", "rule jason for reviews/1", "loaded anew since this request"},
			[]string{"200 - GET reviews/1?user=* ", "rule jason for reviews/1"},
			[]string{`"id": 8`, `"why": "rule jason for reviews/1\n"`, `"code": 200`},
		},
		{
			"clusters", []string{"reviews.default:80 v1", cluster, "1 of 2 in use", "consecutive_5xx", "eu/a", "payments", "opened 1 times"},
			[]string{
				cluster + "::default_priority::max_connections::4294967295\n", cluster + "::10.0.0.2:80::health_flags::/failed_outlier_check\n",
				cluster + "::10.0.0.1:80::health_flags::healthy\n", cluster + "::10.0.0.1:80::rq_success::6\n", cluster + "::10.0.0.2:80::rq_error::2\n",
				cluster + "::10.0.0.1:80::region::eu\n", cluster + "::10.0.0.2:80::weight::1\n", cluster + "::10.0.0.2:80::ejected_for::consecutive_5xx\n",
			},
			[]string{`"cluster_statuses"`, `"failed_outlier_check": true`, `"port_value": 80`, `"eds_health_status": "HEALTHY"`},
		},
		{
			"events", []string{"reviews.default:80 v1 10.0.0.2:80", "ejected for 30s, for the first time", "closed → open", "not loaded, the last good one stays"},
			[]string{"ejection  reviews.default:80 v1 10.0.0.2:80: ejected for 30s", "circuit   payments: closed → open", "reload    configuration: not loaded"},
			[]string{`"kind": "ejection"`, `"level": "bad"`, `"subject": "payments"`},
		},
		{
			"config", []string{"Rules in force", "mesh.yaml:12: VirtualService default/reviews", "90 % reviews.default:80 v1", "redirect 301", "mesh.yaml:10: worse", "is never reached"},
			[]string{"mesh.yaml:12: VirtualService default/reviews", "! mesh.yaml:9: bad weight\n! mesh.yaml:10: worse\n", "warning: mesh.yaml:4: spec: is never reached", "Loaded anew 2 times"},
			[]string{`"source": "mesh.yaml:12: VirtualService default/reviews"`, `"percent": 90`, `"error": "mesh.yaml:9: bad weight\nmesh.yaml:10: worse"`},
		},
		{
			"explain?url=reviews/2&header=end-user:jason", []string{"rule jason for reviews/2", `value="reviews/2"`},
			[]string{"rule jason for reviews/2\n"}, []string{`"rule jason for reviews/2\n"`},
		},
		{"explain", []string{"<form"}, []string{"explain?url=URL"}, []string{"null"}},
		{"weights", []string{"Weights are only shown here", "v2", "10 %"}, []string{"reviews\tv1\t90\t90 %\n"}, []string{`"weight": 90`, `"settable": true`}},
	} {
		t.Run(tt.path, func(t *testing.T) {
			join := "?"
			if strings.Contains(tt.path, "?") {
				join = "&"
			}
			for _, form := range []struct {
				name, accept, kind string
				want               []string
			}{
				{"html", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8", tt.html},
				{"text", "*/*", "text/plain; charset=utf-8", tt.text},
				{"json", "application/json", "application/json", tt.json},
			} {
				byAccept := get(mux, "/debug/mesh/"+tt.path, "Accept", form.accept)
				require.Equal(t, http.StatusOK, byAccept.Code, byAccept.Body)
				require.Equal(t, form.kind, byAccept.Header().Get("Content-Type"))
				for _, want := range form.want {
					if form.name == "html" {
						want = strings.NewReplacer(" &", " &amp;").Replace(want)
					}
					require.Contains(t, byAccept.Body.String(), want, form.name)
				}
				byFormat := get(mux, "/debug/mesh/"+tt.path+join+"format="+form.name)
				require.Equal(t, form.kind, byFormat.Header().Get("Content-Type"))
				if form.name == "json" {
					require.True(t, json.Valid(byFormat.Body.Bytes()), byFormat.Body)
				}
				if form.name == "html" {
					require.Contains(t, byFormat.Body.String(), "<!doctype html>")
				}
			}
		})
	}
}

func TestLinksLeadBackFromWhereverThePageIsMounted(t *testing.T) {
	page := full(t)
	mux := http.NewServeMux()
	mux.Handle("/debug/mesh/", page)
	mux.Handle("GET localhost/a/b/", page)
	stripped := http.StripPrefix("/x", page)
	named := newConsole(t, console.Config{Path: "/named/"})
	for _, tt := range []struct {
		h    http.Handler
		base string
	}{{mux, "/debug/mesh/"}, {mux, "/a/b/"}, {stripped, "/x/"}, {page, "/"}, {named, "/named/"}} {
		require.Contains(t, get(tt.h, tt.base+"decisions", "Accept", "text/html").Body.String(), `href="./console.css"`, tt.base)
		require.Contains(t, get(tt.h, tt.base+"decisions/8", "Accept", "text/html").Body.String(), `href="../console.css"`, tt.base)
		require.Equal(t, "LIVE\n", get(tt.h, tt.base+"ready").Body.String())
		for asset, kind := range map[string]string{"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"} {
			w := get(tt.h, tt.base+asset)
			require.Equal(t, http.StatusOK, w.Code)
			require.True(t, strings.HasPrefix(w.Header().Get("Content-Type"), kind))
		}
		require.Equal(t, http.StatusNotFound, get(tt.h, tt.base+"nothing").Code)
		require.Equal(t, http.StatusNotFound, get(tt.h, tt.base+"decisions/x").Code)
		require.Equal(t, http.StatusNotFound, get(tt.h, tt.base+"decisions/77").Code)
		require.Equal(t, http.StatusNotFound, get(tt.h, tt.base+"decisions/77", "Accept", "text/html").Code)
	}
}

func TestDecisionsAreFiltered(t *testing.T) {
	page := newConsole(t, console.Config{Decisions: 100})
	for i, change := range []func(*access.Record){
		nil,
		func(r *access.Record) { r.Route = "other" },
		func(r *access.Record) { r.Status, r.Flags, r.Details = 503, "UO", "overflow" },
		func(r *access.Record) { r.Duration = time.Second },
		func(r *access.Record) { r.Status, r.Flags = 0, "DC" },
		func(r *access.Record) { r.Upstream = "v2" },
	} {
		tell(page, record(change))
		_ = i
	}
	for query, want := range map[string][]uint64{
		"": {6, 5, 4, 3, 2, 1}, "n=2": {6, 5}, "route=other": {2}, "code=503": {3}, "code=5xx": {3}, "code=2xx": {6, 4, 2, 1},
		"flag=UO": {3}, "flag=U": {}, "slow=500ms": {4}, "failed=1": {3}, "upstream=v2": {6}, "route=jason&slow=1s": {4}, "slow=nonsense": {6, 5, 4, 3, 2, 1},
	} {
		var got struct{ Decisions []struct{ ID uint64 } }
		require.NoError(t, json.Unmarshal(get(page, "/decisions?format=json&"+query).Body.Bytes(), &got))
		ids := []uint64{}
		for _, d := range got.Decisions {
			ids = append(ids, d.ID)
		}
		require.Equal(t, want, ids, query)
	}
}

func TestRequestsThatAProcessServesAreShownAsItsOwn(t *testing.T) {
	page := newConsole(t, console.Config{})
	tell(page, record(func(r *access.Record) { r.Upstream = "inbound|8080||" }))
	require.Contains(t, get(page, "/").Body.String(), " this process, port 8080  ")
}

func TestFailuresAreKeptWhileOthersPassBy(t *testing.T) {
	page := newConsole(t, console.Config{Decisions: 4})
	tell(page, record(func(r *access.Record) { r.Status = 500 }))
	for range 100 {
		tell(page, record(nil))
	}
	require.Contains(t, get(page, "/decisions").Body.String(), "500 - GET")
	require.Equal(t, 5, strings.Count(get(page, "/decisions").Body.String(), " GET "))

	off := newConsole(t, console.Config{Decisions: -1})
	tell(off, record(nil))
	require.Empty(t, get(off, "/decisions").Body.String())
	require.Contains(t, get(off, "/decisions", "Accept", "text/html").Body.String(), "Decisions are not kept")
	require.Contains(t, get(off, "/").Body.String(), "1 in all")
}

func TestAStoryTellsOfAttemptsWaitsAndDraws(t *testing.T) {
	page := newConsole(t, console.Config{})
	start := time.Now()
	tell(page, record(func(r *access.Record) {
		r.Start, r.Duration, r.Attempts = start, 40*time.Millisecond, 2
		r.Branch, r.Drawn, r.DrawnOf = "v1", 137, 1000
		r.Faults, r.Mirrors = []string{"delay 5ms"}, []string{"shadow"}
		r.Tries = []mesh.Try{{N: 1, Endpoint: "10.0.0.9:80", Status: 503, Start: start, Duration: 3 * time.Millisecond, Why: "5xx"}}
		r.Last = mesh.Try{N: 2, Endpoint: "10.0.0.1:80", Start: start.Add(28 * time.Millisecond), Waited: 25 * time.Millisecond}
	}))
	require.Equal(t, `200 - GET reviews/1 40ms
  route  jason
  split  v1, drew 137 of 1000
  fault  delay 5ms
  try 1  10.0.0.9:80 503 3ms, then again: 5xx
  try 2  10.0.0.1:80 200 12ms, waited 25ms before
  copy   shadow
  end    via_upstream
`, get(page, "/decisions").Body.String())
	page2 := get(page, "/decisions/1", "Accept", "text/html").Body.String()
	for _, want := range []string{"drew 137 of 1000", "25ms", "repeated: 5xx", "Attempt 2", "fault: delay 5ms", "copy: shadow"} {
		require.Contains(t, page2, want)
	}
}

func TestWhatIsKeptOfRequestsIsBoundedAndHoldsNoSecrets(t *testing.T) {
	page := newConsole(t, console.Config{Sources: []console.Source{{
		Reads: func() *console.Reads {
			return &console.Reads{Headers: []string{"End-User", "Authorization", "X-Api-Key", "Cookie"}, Queries: []string{"page", "token"}}
		},
	}}})
	long := strings.Repeat("x", 1<<20)
	r := httptest.NewRequest(http.MethodGet, "http://reviews/", nil)
	r.Header = http.Header{
		"End-User": {"jason"}, "Authorization": {"Bearer hunter2"}, "X-Api-Key": {"hunter2"}, "Cookie": {"s=hunter2"}, "X-Other": {"hunter2"}, "X-Request-Id": {long},
	}
	tell(page, record(func(rec *access.Record) {
		rec.Request, rec.Path, rec.Failure, rec.Status = r, "/p?page=2&token=hunter2&q=hunter2&flag", long, 503
	}))
	w := get(page, "/decisions?format=json")
	require.NotContains(t, w.Body.String(), "hunter2")
	require.Contains(t, w.Body.String(), `"path": "/p?page=2&token=*&q=*&flag"`)
	require.Contains(t, w.Body.String(), `"End-User": "jason"`)
	require.Less(t, w.Body.Len(), 10_000)
	for _, path := range []string{"/", "/decisions", "/decisions/1", "/decisions/1?format=html", "/?format=html"} {
		require.NotContains(t, get(page, path).Body.String(), "hunter2", path)
	}
}

func TestAConsoleWithoutAnything(t *testing.T) {
	page := newConsole(t, console.Config{Title: "empty"})
	for _, path := range []string{"/", "/decisions", "/clusters", "/events", "/config", "/explain", "/weights", "/stats", "/config_dump", "/server_info"} {
		for _, format := range []string{"html", "text", "json"} {
			require.Equal(t, http.StatusOK, get(page, path+"?format="+format).Code, path)
		}
	}
	require.Equal(t, http.StatusNotFound, get(page, "/explain?url=http://a/").Code)
	require.Equal(t, http.StatusBadRequest, get(page, "/explain?url=http://").Code)
	require.Equal(t, http.StatusBadRequest, get(page, "/explain?url=a&header=nonsense").Code)
	require.Equal(t, http.StatusBadRequest, get(page, "/explain?url=a&method=G%20T").Code)
}

func TestConfigsAreChecked(t *testing.T) {
	_, err := console.New(console.Config{
		Series: -1, Path: "debug", Splits: []console.Split{{}, {Name: "a", Weights: noWeights}, {Name: "a", Weights: noWeights}},
	})
	fields := []string{}
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{"console.Series", "console.Path", "console.Splits", "console.Splits"}, fields)
}
