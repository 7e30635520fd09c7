package oneline_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/leak"
	"github.com/sidecarless/mesh/internal/oneline"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name            string
		request, answer bool
	}{
		{"accept", true, false},
		{"authorization", true, false},
		{"user-agent", true, false},
		{"x-forwarded-for", true, false},
		{"cache-control", true, true},
		{"x-request-id", true, true},
		{"vary", false, true},
		{"etag", false, true},
		{"cookie", false, false},
		{"set-cookie", false, false},
		{"accept-language", false, false},
		{"x-b3-traceid", false, false},
		{"www-authenticate", false, false},
	} {
		name := http.CanonicalHeaderKey(c.name)
		require.Equal(t, c.request, oneline.InRequest(name), name)
		require.Equal(t, c.answer, oneline.InAnswer(name), name)
	}
}

func TestJoin(t *testing.T) {
	for want, lines := range map[string][]string{
		"":      nil,
		"a":     {"a"},
		"a,b":   {"a", "b"},
		"a,b,c": {"", "a", "", "b,c", ""},
	} {
		require.Equal(t, want, oneline.Join(lines))
	}
	lines := make([]string, 1, 2)
	lines[0] = "a"
	require.Equal(t, []string{"a,b"}, oneline.Append(lines, "b"))
	require.Equal(t, []string{"a"}, lines, "the lines given stay as they are")
	require.Equal(t, []string{"b"}, oneline.Append([]string{""}, "b"))
}
