package ratelimit

import (
	"net/http"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
)

func of(most uint32, unit rls.RateLimitResponse_RateLimit_Unit, name string, left uint32, reset int64) verdict {
	return &rls.RateLimitResponse_DescriptorStatus{
		CurrentLimit:   &rls.RateLimitResponse_RateLimit{RequestsPerUnit: most, Unit: unit, Name: name},
		LimitRemaining: left, DurationUntilReset: &durationpb.Duration{Seconds: reset, Nanos: 1},
	}
}

// The examples are those of Envoy's documentation of enable_x_ratelimit_headers
// and of the draft, and the windows those of its units.
func TestTheNearestLimitIsTold(t *testing.T) {
	const second, hour = rls.RateLimitResponse_RateLimit_SECOND, rls.RateLimitResponse_RateLimit_HOUR
	none := &rls.RateLimitResponse_DescriptorStatus{}
	for _, c := range []struct {
		name                    string
		all                     []verdict
		limit, remaining, reset string
	}{
		{"no limits", nil, "", "", ""},
		{"a descriptor without a limit", []verdict{none}, "", "", ""},
		{"one limit", []verdict{of(10, second, "", 3, 1)}, "10, 10;w=1", "3", "1"},
		{"two limits", []verdict{of(10, second, "per-ip", 3, 1), of(1000, hour, "", 900, 1800)}, `10, 10;w=1;name="per-ip", 1000;w=3600`, "3", "1"},
		{"the second is nearer", []verdict{of(10, second, "", 3, 1), none, of(1000, hour, "", 2, 1800)}, "1000, 10;w=1, 1000;w=3600", "2", "1800"},
		{"equally near", []verdict{of(10, second, "", 3, 1), of(1000, hour, "", 3, 1800)}, "10, 10;w=1, 1000;w=3600", "3", "1"},
		{"a unit that is not known", []verdict{of(10, 99, "", 3, 1)}, "10", "3", "1"},
		{"all units", []verdict{
			of(1, second, "", 1, 0), of(2, rls.RateLimitResponse_RateLimit_MINUTE, "", 1, 0), of(3, hour, "", 1, 0),
			of(4, rls.RateLimitResponse_RateLimit_DAY, "", 1, 0), of(5, rls.RateLimitResponse_RateLimit_WEEK, "", 1, 0),
			of(6, rls.RateLimitResponse_RateLimit_MONTH, "", 1, 0), of(7, rls.RateLimitResponse_RateLimit_YEAR, "", 1, 0),
		}, "1, 1;w=1, 2;w=60, 3;w=3600, 4;w=86400, 5;w=604800, 6;w=2592000, 7;w=31536000", "1", "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{}
			tell(h, c.all)
			require.Equal(t, c.limit, h.Get("x-ratelimit-limit"))
			require.Equal(t, c.remaining, h.Get("x-ratelimit-remaining"))
			require.Equal(t, c.reset, h.Get("x-ratelimit-reset"))
		})
	}
}

func TestWhenToComeBack(t *testing.T) {
	reached := func(seconds int64, nanos int32) verdict {
		return &rls.RateLimitResponse_DescriptorStatus{
			Code: rls.RateLimitResponse_OVER_LIMIT, DurationUntilReset: &durationpb.Duration{Seconds: seconds, Nanos: nanos},
		}
	}
	for want, all := range map[string][]verdict{
		"":   {of(10, 1, "", 3, 50)},
		"1":  {reached(0, 0)},
		"30": {reached(7, 0), reached(29, 1), of(10, 1, "", 3, 50)},
	} {
		h := http.Header{}
		comeBack(h, all)
		require.Equal(t, want, h.Get("Retry-After"))
	}
}

func TestHeadersOfTheService(t *testing.T) {
	require.Equal(t, http.Header{"A": {"1", "2"}, "B": {"raw"}}, headerOf([]*core.HeaderValue{
		{Key: "a", Value: "1"}, {Key: "A", Value: "2"}, {Key: "b", RawValue: []byte("raw")}, {Key: ":path", Value: "/"}, {}, nil,
	}))
}
