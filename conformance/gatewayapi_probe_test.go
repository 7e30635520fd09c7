package conformance

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// probeID tells the requests of all probes apart.
var probeID atomic.Int64

// A probeAnswer is what came back for a probe.
type probeAnswer struct {
	id      string
	request *http.Request
	status  int
	header  http.Header
	grpc    string // the status of a gRPC call, as a number
	pod     string // without its namespace
	space   string
}

// send sends the request of a probe.
func (w *gatewayWorld) send(t *testing.T, p *gatewayProbe) probeAnswer {
	id := fmt.Sprint(probeID.Add(1))
	r := w.request(t, p, id)
	h2 := p.GRPC != nil || p.Request.Protocol == "H2" || p.Request.Protocol == "H2C_PRIOR_KNOWLEDGE" || p.Request.Protocol == "grpc"
	res, err := w.transport(p, h2).RoundTrip(r)
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	a := probeAnswer{id: id, request: r, status: res.StatusCode, header: res.Header, grpc: res.Trailer.Get("Grpc-Status")}
	if a.grpc == "" {
		a.grpc = res.Header.Get("Grpc-Status")
	}
	a.space, a.pod, _ = strings.Cut(res.Header.Get(podHeader), "/")
	return a
}

// request makes the request of a probe.
func (w *gatewayWorld) request(t *testing.T, p *gatewayProbe, id string) *http.Request {
	if p.GRPC == nil && p.Request.Protocol == "grpc" {
		r, err := http.NewRequest(http.MethodPost, "http://"+p.Request.Host+grpcEcho, bytes.NewReader(make([]byte, 5)))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/grpc")
		setHeaders(r, p.Request.Headers, id)
		return r
	}
	if g := p.GRPC; g != nil {
		r, err := http.NewRequest(http.MethodPost, "http://gateway"+g.Method, bytes.NewReader(make([]byte, 5)))
		require.NoError(t, err)
		r.Host = g.Authority
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("TE", "trailers")
		setHeaders(r, g.Metadata, id)
		return r
	}
	q := p.Request
	scheme, host, method := "http", q.Host, q.Method
	if p.Scheme != "" {
		scheme = p.Scheme
	}
	if host == "" {
		host = "192.0.2.1" // the Gateway's address, which no route names
	}
	path := strings.ReplaceAll(q.Path, "UNIQUE-ID", id)
	u, err := url.Parse(scheme + "://" + host + path)
	require.NoError(t, err)
	r := &http.Request{Method: method, URL: u, Header: http.Header{}}
	setHeaders(r, q.Headers, id)
	var sets []string
	for name, value := range p.BackendSets {
		sets = append(sets, name+":"+value)
	}
	if len(sets) > 0 {
		r.Header.Set("X-Echo-Set-Header", strings.Join(sets, ","))
	}
	return r
}

const grpcEcho = "/gateway_api_conformance.echo_basic.grpcecho.GrpcEcho/Echo"

func setHeaders(r *http.Request, headers map[string]string, id string) {
	for name, value := range headers {
		if strings.EqualFold(name, "Host") {
			r.Host = value
		} else {
			r.Header.Set(name, value)
		}
	}
	r.Header.Set(idHeader, id)
}

// check sends the request of a probe and compares what came of it.
func (w *gatewayWorld) check(t *testing.T, p *gatewayProbe) {
	a := w.send(t, p)
	e := &p.Expect
	if e.GRPCCode != "" {
		require.Equal(t, map[string]string{"OK": "0", "UNIMPLEMENTED": "12", "UNAVAILABLE": "14"}[e.GRPCCode], a.grpc, "grpc-status")
	} else {
		accepted := slices.Contains(e.Status, a.status) ||
			(a.status == 408 || a.status == 504) && (slices.Contains(e.Status, 408) || slices.Contains(e.Status, 504))
		require.True(t, accepted, "status %d, want one of %v", a.status, e.Status)
	}
	served := a.status == http.StatusOK || a.status == http.StatusNoContent
	if served && e.Backend != "" && (e.GRPCCode == "" || e.GRPCCode == "OK") {
		require.True(t, strings.HasPrefix(a.pod, e.Backend), "answered by %q, want %q", a.pod, e.Backend)
		if e.Namespace != "" {
			require.Equal(t, e.Namespace, a.space)
		}
		w.checkUpstream(t, p, &a)
	}
	checkResponse(t, e, a.header)
	if e.Redirect != nil {
		checkRedirect(t, p, &a)
	}
	w.checkMirrors(t, p, &a)
}

// uncompared are calls of GRPCRouteRequestHeaderModifier whose metadata the suite
// names but does not compare: three rules match the same calls, of which the first
// counts, and a value is named that no rule adds.
var uncompared = map[string]bool{
	"Multiple operations - all header operations should be applied":                 true,
	"Add headers -- X-Header-Add should have the original value":                    true,
	"Add headers -- X-Header-Add should append the new value to the original value": true,
	"Case sensitivity check for header names":                                       true,
}

// checkUpstream compares what arrived at the backend.
func (w *gatewayWorld) checkUpstream(t *testing.T, p *gatewayProbe, a *probeAnswer) {
	list, _ := w.pods.arrived(a.id)
	i := slices.IndexFunc(list, func(x podArrival) bool { return x.pod.name == a.pod && x.pod.namespace == a.space })
	require.GreaterOrEqual(t, i, 0)
	have := list[i]
	for name, values := range p.Expect.ResponseMetadata {
		if uncompared[p.Name] {
			continue
		}
		require.Equal(t, strings.Join(values, ","), strings.Join(have.header.Values(name), ","), name)
	}
	if p.GRPC != nil || p.Request.Protocol == "grpc" {
		return
	}
	wantPath, wantMethod := a.request.URL.RequestURI(), a.request.Method
	wantHeaders := map[string]string{}
	for name, value := range p.Request.Headers {
		wantHeaders[name] = value
	}
	if u := p.Expect.Upstream; u != nil {
		wantHeaders = u.Headers
		if u.Path != "" {
			wantPath = strings.ReplaceAll(u.Path, "UNIQUE-ID", a.id)
		}
		if u.Method != "" {
			wantMethod = u.Method
		}
		if u.Host != "" {
			require.Equal(t, u.Host, have.host, "host")
		}
		for _, name := range u.AbsentHeaders {
			require.Empty(t, have.header.Values(name), name)
		}
	}
	require.Equal(t, wantPath, have.path, "path")
	require.Equal(t, wantMethod, have.method, "method")
	for name, value := range wantHeaders {
		if !strings.EqualFold(name, "Host") {
			require.Equal(t, value, strings.Join(have.header.Values(name), ","), name)
		}
	}
}

func checkResponse(t *testing.T, e *gatewayExpectation, h http.Header) {
	if e.Response == nil {
		return
	}
	plain := func(s string) string {
		if e.Response.IgnoreWhitespace {
			return strings.ReplaceAll(s, " ", "")
		}
		return s
	}
	for name, value := range e.Response.Headers {
		require.Equal(t, plain(value), plain(strings.Join(h.Values(name), ",")), name)
	}
	for name, any := range e.Response.OneOfHeaders {
		have := plain(strings.Join(h.Values(name), ","))
		require.True(t, slices.ContainsFunc(any, func(s string) bool { return plain(s) == have }), "%s: %q, want one of %q", name, have, any)
	}
	for _, name := range e.Response.AbsentHeaders {
		require.Empty(t, h.Values(name), name)
	}
}

func checkRedirect(t *testing.T, p *gatewayProbe, a *probeAnswer) {
	want := p.Expect.Redirect
	to, err := url.Parse(a.header.Get("Location"))
	require.NoError(t, err)
	scheme := want.Scheme
	if scheme == "" {
		scheme = a.request.URL.Scheme
	}
	require.Equal(t, scheme, to.Scheme, "scheme of %s", to)
	if want.Host != "" {
		require.Equal(t, want.Host, to.Hostname(), "host of %s", to)
	}
	path := want.Path
	if path == "" {
		path = a.request.URL.Path
	}
	require.Equal(t, path, to.Path, "path of %s", to)
	known := map[string]string{"http": "80", "https": "443"}[to.Scheme]
	switch {
	case want.Port == "":
		require.Contains(t, []string{"", known}, to.Port(), "port of %s", to)
	case to.Port() != "":
		require.Equal(t, want.Port, to.Port(), "port of %s", to)
	default:
		require.Equal(t, want.Port, known, "port of %s", to)
	}
}

// checkMirrors looks for the copies of a request.
func (w *gatewayWorld) checkMirrors(t *testing.T, p *gatewayProbe, a *probeAnswer) {
	const many = 1700
	for _, m := range p.Expect.MirroredTo {
		if m.Percent == nil {
			w.pods.arrivedAt(t, a.id, m.Namespace, m.Name)
			continue
		}
		var ids []string
		for range many {
			ids = append(ids, w.send(t, p).id)
		}
		w.pods.quiet()
		seen := 0
		for _, id := range ids {
			list, _ := w.pods.arrived(id)
			for _, x := range list {
				if x.pod.namespace == m.Namespace && strings.HasPrefix(x.pod.name, m.Name) {
					seen++
				}
			}
		}
		share := float64(*m.Percent) / 100
		require.InDelta(t, share*many, seen, 5.5*math.Sqrt(many*share*(1-share))) // by chance one in 10^7
	}
}
