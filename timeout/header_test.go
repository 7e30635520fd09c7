package timeout

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

func grpcRequest(t *testing.T, timeout string) *http.Request {
	t.Helper()
	r := httptest.NewRequest("POST", "http://svc/pkg.Service/Method", nil).WithContext(t.Context())
	r.Header.Set("Content-Type", "application/grpc")
	if timeout != "" {
		r.Header.Set("Grpc-Timeout", timeout)
	}
	return r
}

// TestGRPCTimeoutIsEnvoys replays the route "old" of the recording: the one whose
// header replaces the route's timeout, as Istio sets it up.
func TestGRPCTimeoutIsEnvoys(t *testing.T) {
	raw, err := os.ReadFile("../conformance/testdata/envoy/grpc_timeout.json")
	require.NoError(t, err)
	var file struct {
		Cases []struct {
			Route      string
			Timeout    string `json:"grpc_timeout"`
			Upstream   string `json:"upstream_grpc_timeout"`
			GRPCStatus string `json:"grpc_status"`
			About      int    `json:"ms_about"`
			Details    string
			Flags      string
			Status     int
		}
	}
	require.NoError(t, json.Unmarshal(raw, &file))
	played := 0
	for _, c := range file.Cases {
		if c.Route != "old" {
			continue
		}
		played++
		t.Run("header "+c.Timeout, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var upstream string
				rt := mesh.Chain(
					mesh.ErrorsAsResponses,
					bounded(t, Config{Total: 300 * time.Millisecond, GRPC: true}).Transport,
					Announce,
				)(roundTripper(func(r *http.Request) (*http.Response, error) {
					upstream = r.Header.Get("Grpc-Timeout")
					return waiting{}.RoundTrip(r)
				}))
				start := time.Now()
				res, err := rt.RoundTrip(grpcRequest(t, c.Timeout))
				require.NoError(t, err)
				require.Equal(t, c.Status, res.StatusCode)
				require.Equal(t, c.GRPCStatus, res.Header.Get("Grpc-Status"))
				require.Equal(t, "upstream request timeout", res.Header.Get("Grpc-Message"))
				require.Equal(t, c.Upstream, upstream)
				require.EqualValues(t, c.About, time.Since(start).Milliseconds())
				e := mesh.AsError(mesh.ErrorOf(res))
				require.Equal(t, c.Details, e.Details)
				require.EqualValues(t, c.Flags, e.Flag)
			})
		})
	}
	require.NotZero(t, played)
}

func TestGRPCTimeoutCountsOnlyWhereItShould(t *testing.T) {
	plain := httptest.NewRequest("POST", "http://svc/", nil)
	plain.Header.Set("Grpc-Timeout", "100m")
	for _, c := range []struct {
		name string
		c    Config
		r    *http.Request
		want time.Duration // zero: not bounded
	}{
		{"without a bound of the route", Config{GRPC: true}, grpcRequest(t, "150m"), 150 * time.Millisecond},
		{"not asked for", Config{}, grpcRequest(t, "150m"), 0},
		{"a request that is not gRPC", Config{GRPC: true}, plain, 0},
		{"not well formed", Config{GRPC: true}, grpcRequest(t, "bad"), 0},
		{"not well formed, under a bound", Config{GRPC: true, Total: time.Second}, grpcRequest(t, "5"), time.Second},
		{"cut", Config{GRPC: true, MaxHonor: time.Minute}, grpcRequest(t, "5H"), time.Minute},
		{"zero, which is no end", Config{GRPC: true}, grpcRequest(t, "0m"), 0},
		{"zero, under a bound", Config{GRPC: true, Total: time.Second}, grpcRequest(t, "0S"), time.Second},
		{"zero, cut", Config{GRPC: true, MaxHonor: time.Minute}, grpcRequest(t, "0S"), time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			total, _ := bounded(t, c.c).now.Load().sending(c.r)
			require.Equal(t, bound{c.want, c.want > 0}, total)
		})
	}
}

func TestAClientsWishReplacesTheBound(t *testing.T) {
	const total = 100 * time.Millisecond
	nobody := func(*http.Request) bool { return false }
	for _, c := range []struct {
		name, wish string
		c          Config
		want       time.Duration // zero: not bounded
		sentOn     bool
	}{
		{"shorter", "80", Config{Total: total, Honor: anybody}, 80 * time.Millisecond, false},
		{"longer", "1000", Config{Total: total, Honor: anybody}, time.Second, false},
		{"where there is no bound", "80", Config{Honor: anybody}, 80 * time.Millisecond, false},
		{"none", "0", Config{Total: total, Honor: anybody}, 0, false},
		{"not a number", "abc", Config{Total: total, Honor: anybody}, total, false},
		{"a sign", "+5", Config{Total: total, Honor: anybody}, total, false},
		{"empty", "", Config{Total: total, Honor: anybody}, total, false},
		{"cut", "5000", Config{Total: total, Honor: anybody, MaxHonor: time.Second}, time.Second, false},
		{"none, cut", "0", Config{Total: total, Honor: anybody, MaxHonor: time.Second}, time.Second, false},
		{"more than a duration can hold", "99999999999999999", Config{Honor: anybody}, math.MaxInt64, false},
		{"of somebody who is not trusted", "80", Config{Total: total, Honor: nobody}, total, false},
		{"switched off", "80", Config{Total: total}, total, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://svc/", nil)
			r.Header[wishHeader] = []string{c.wish}
			total, r := bounded(t, c.c).now.Load().sending(r)
			require.Equal(t, bound{c.want, c.want > 0}, total)
			_, sentOn := r.Header[wishHeader]
			require.Equal(t, c.sentOn, sentOn)
		})
	}
}

func TestParseGRPC(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "4m": 4 * time.Millisecond,
		"5u": time.Millisecond, "6n": time.Millisecond, "2000u": 2 * time.Millisecond, "2001u": 3 * time.Millisecond, "0m": 0, "0n": 0, "00000001S": time.Second,
		"99999999M": 99_999_999 * time.Minute, "99999999H": math.MaxInt64,
	} {
		got, ok := parseGRPC(s)
		require.True(t, ok, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "m", "1", "1s", "1h", "1 m", "-1m", "+1m", "1.5S", "123456789m", "1mm", "0x1m"} {
		_, ok := parseGRPC(s)
		require.False(t, ok, s)
	}
}

func TestFormatGRPC(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0m", time.Millisecond: "1m", 1999 * time.Microsecond: "1m", 300 * time.Millisecond: "300m",
		99_999_999 * time.Millisecond: "99999999m", 100_000_000 * time.Millisecond: "100000S",
		99_999_999 * time.Minute: "99999999M", math.MaxInt64: "2562047H",
	} {
		require.Equal(t, want, formatGRPC(d), d)
	}
}

func FuzzParseGRPC(f *testing.F) {
	for _, s := range []string{"1S", "99999999H", "0m", "bad", "123456789n", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := parseGRPC(s)
		if !ok {
			return
		}
		if d < 0 || strings.Trim(s[:len(s)-1], "0123456789") != "" {
			t.Fatalf("%q is %v", s, d)
		}
		again, ok := parseGRPC(formatGRPC(d))
		if !ok || again > d || d-again >= max(time.Millisecond, d/1000) {
			t.Fatalf("%q is %v, written %q, which is %v", s, d, formatGRPC(d), again)
		}
	})
}

func FuzzParseMillis(f *testing.F) {
	for _, s := range []string{"0", "15000", "-1", "18446744073709551615", "1e3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := parseMillis(s); ok && (d < 0 || strings.Trim(s, "0123456789") != "") {
			t.Fatalf("%q is %v", s, d)
		}
	})
}
