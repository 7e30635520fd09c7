package lb

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echo answers with the address that it is sent to.
type echo struct{}

func (echo) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Set-Cookie": {"app=1"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(r.URL.Host)),
	}, nil
}

// call sends a request through a balancer and returns the address it went to.
func call(t *testing.T, layer http.RoundTripper, r *http.Request) (addr string, res *http.Response) {
	res, err := layer.RoundTrip(r)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return string(body), res
}

var (
	recordedServer = regexp.MustCompile(`\{name: (\w+), address: '([\d.:]+)'\}`)
	recordedKeys   = regexp.MustCompile(`(?m)^      keys: \{(.*)\}$`)
	recordedList   = regexp.MustCompile(`(\w+): \[([\d, ]+)\]`)
)

// A recording is a case of conformance/testdata/e2e in which a sidecar was sent
// the keys user-0, user-1 and so on.
type recording struct {
	endpoints []Endpoint
	steps     []map[string]string // the address by key
}

func readRecording(t *testing.T, name string) (rec recording) {
	text, err := os.ReadFile("../conformance/testdata/e2e/" + name + ".yaml")
	require.NoError(t, err)
	addrs := map[string]string{}
	for _, m := range recordedServer.FindAllStringSubmatch(string(text), -1) {
		addrs[m[1]] = m[2]
		rec.endpoints = append(rec.endpoints, Endpoint{Addr: m[2]})
	}
	for _, step := range recordedKeys.FindAllStringSubmatch(string(text), -1) {
		byKey := map[string]string{}
		for _, m := range recordedList.FindAllStringSubmatch(step[1], -1) {
			for n := range strings.SplitSeq(m[2], ", ") {
				byKey["user-"+n] = addrs[m[1]]
			}
		}
		rec.steps = append(rec.steps, byKey)
	}
	require.NotEmpty(t, rec.endpoints)
	require.NotEmpty(t, rec.steps)
	return rec
}

func TestRequestsGoWhereASidecarSendsThem(t *testing.T) {
	header := HashSource{Header: "x-user-id"}
	cookie := HashSource{Cookie: &HashCookie{Name: "sid"}}
	for _, c := range []struct {
		recording string
		algorithm Algorithm
		source    HashSource
		weights   []uint32
	}{
		{"hash-header-3", RingHash{}, header, nil},
		{"hash-header-10", RingHash{}, header, nil},
		{"hash-ring-min-64", RingHash{MinSize: 64}, header, nil},
		{"hash-weights", RingHash{}, header, []uint32{1, 2, 4}},
		{"seed-consistent-hash-5", RingHash{}, header, nil},
		{"hash-maglev-3", Maglev{}, header, nil},
		{"hash-maglev-5-1009", Maglev{TableSize: 1009}, header, nil},
		{"hash-query", RingHash{}, HashSource{Query: "user"}, nil},
		{"hash-cookie-no-ttl", RingHash{}, cookie, nil},
	} {
		t.Run(c.recording, func(t *testing.T) {
			rec := readRecording(t, c.recording)
			for i, w := range c.weights {
				rec.endpoints[i].Weight = w
			}
			b, err := New(Config{Endpoints: rec.endpoints, Algorithm: c.algorithm, Hash: []HashSource{c.source}})
			require.NoError(t, err)
			layer := b.Transport(echo{})
			for key, want := range rec.steps[0] {
				r := request(t, "/?user="+key, [][2]string{{"x-user-id", key}, {"Cookie", "a=b; sid=" + key}})
				got, _ := call(t, layer, r)
				require.Equal(t, want, got, key)
			}
		})
	}
}

func TestKeysOfAnEjectedHostMoveAndNoOthers(t *testing.T) {
	rec := readRecording(t, "hash-ejected")
	b, err := New(Config{Endpoints: rec.endpoints, Algorithm: RingHash{}, Hash: []HashSource{{Header: "x-user"}}, NoPanic: true})
	require.NoError(t, err)
	layer := b.Transport(echo{})
	for i, step := range rec.steps {
		if i == 1 {
			for h := range b.Hosts() {
				if h.Addr() == rec.endpoints[1].Addr {
					h.Eject()
				}
			}
			b.settle()
		}
		for key, want := range step {
			got, _ := call(t, layer, request(t, "/", [][2]string{{"x-user", key}}))
			require.Equal(t, want, got, "%s, step %d", key, i)
		}
	}
	require.Len(t, rec.steps, 2)
}

func TestAnIssuedCookieIsAddedToTheAnswersOwn(t *testing.T) {
	var endpoints []Endpoint
	for i := range 50 {
		endpoints = append(endpoints, Endpoint{Addr: fmt.Sprintf("10.0.0.%d:80", i+1)})
	}
	b, err := New(Config{
		Endpoints: endpoints, Algorithm: Maglev{},
		Hash: []HashSource{{Cookie: &HashCookie{Name: "sid", Issue: true, MaxAge: time.Minute, Path: "/p"}}},
	})
	require.NoError(t, err)
	layer := b.Transport(echo{})
	used := map[string]bool{}
	for range 50 {
		r := request(t, "/", nil)
		first, res := call(t, layer, r)
		require.Empty(t, r.Header, "the caller's request stays as it was")
		used[first] = true

		cookies := res.Header["Set-Cookie"]
		require.Len(t, cookies, 2)
		require.Equal(t, "app=1", cookies[0])
		require.Regexp(t, `^sid="[0-9a-f]{16}"; Max-Age=60; Path=/p; HttpOnly$`, cookies[1])

		sid, err := http.ParseSetCookie(cookies[1])
		require.NoError(t, err)
		r.AddCookie(&http.Cookie{Name: "sid", Value: sid.Value})
		second, res := call(t, layer, r)
		require.Equal(t, first, second)
		require.Equal(t, []string{"app=1"}, res.Header["Set-Cookie"])
	}
	require.Greater(t, len(used), 10, "clients without a cookie are spread")
}

func TestRequestsWithoutAHashAreSpread(t *testing.T) {
	var endpoints []Endpoint
	for i := range 4 {
		endpoints = append(endpoints, Endpoint{Addr: "10.0.0.1:" + strconv.Itoa(80+i)})
	}
	b, err := New(Config{Endpoints: endpoints, Algorithm: RingHash{}, Hash: []HashSource{{Header: "x-user"}}})
	require.NoError(t, err)
	layer := b.Transport(echo{})
	hits := map[string]int{}
	for range 2000 {
		addr, _ := call(t, layer, request(t, "/", nil))
		hits[addr]++
	}
	require.Len(t, hits, 4)
	for addr, n := range hits {
		require.InDelta(t, 500, n, 150, addr)
	}
}
