package words_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/console/internal/words"
)

func TestNumbersHaveAsManyDigitsAsAnybodyReads(t *testing.T) {
	for rate, want := range map[float64]string{0: "0/s", 0.256: "0.26/s", 12.34: "12.3/s", 1234.5: "1234/s"} {
		require.Equal(t, want, words.PerSecond(rate))
	}
	for share, want := range map[float64]string{0: "0 %", 0.001: "< 0.01 %", 0.123: "0.12 %", 7: "7 %", 7.25: "7.2 %", 33.4: "33 %"} {
		require.Equal(t, want, words.Percent(share))
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 12345 * time.Nanosecond: "12µs", 1234 * time.Microsecond: "1.2ms", 12345 * time.Microsecond: "12ms",
		1234 * time.Millisecond: "1.23s", 12345 * time.Millisecond: "12s", 3 * time.Hour: "3h0m0s",
	} {
		require.Equal(t, want, words.Short(d))
	}
	require.InDelta(t, 1.234, words.Milliseconds(1234*time.Microsecond), 1e-9)
}

func TestTimesAreToldFromNow(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		time.Millisecond: "just now", 59 * time.Second: "59 s ago", 61 * time.Minute: "1 h ago", 90 * time.Second: "1 min ago",
		47 * time.Hour: "47 h ago", 48 * time.Hour: "2026-01-29",
	} {
		require.Equal(t, want, words.Ago(now, now.Add(-d)))
	}
	require.Equal(t, "never", words.Ago(now, time.Time{}))
	require.Equal(t, "12:00:00", words.Clock(now))
}

func TestNamesOfUpstreamsAreThoseThatPeopleSay(t *testing.T) {
	for name, want := range map[string]string{
		"payments": "payments",
		"outbound|80|v1|reviews.default.svc.cluster.local": "reviews.default:80 v1",
		"outbound|443||api.example.com":                    "api.example.com:443",
		"inbound|8080||":                                   "this process, port 8080",
		"a|b|c|d":                                          "a|b|c|d",
	} {
		require.Equal(t, want, words.ShortName(name))
	}
}

func TestTextsAreCutAtCharacters(t *testing.T) {
	require.Equal(t, "éé…", words.Cut("ééééé", 3))
	require.Equal(t, "ééé", words.Cut("ééé", 3))
	require.Equal(t, "first", words.FirstLine("first\nsecond"))
	require.Equal(t, "1 rule", words.Plural(1, "rule", "rules"))
	require.Equal(t, "0 rules", words.Plural(0, "rule", "rules"))
}
