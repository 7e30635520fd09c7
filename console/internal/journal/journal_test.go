package journal

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/access"
)

// paths are those of the decisions that are kept, the newest first.
func paths(j *Journal) (all []string) {
	j.Last(100, func(*Decision) bool { return true }, func(d *Decision) { all = append(all, d.Record.Path) })
	return all
}

func TestFailuresAreKeptWhenOthersHaveTakenTheirPlaces(t *testing.T) {
	j := New(2)
	j.Add(&access.Record{Path: "/bad", Status: 503}, true, nil)
	for i := range 5 {
		j.Add(&access.Record{Path: fmt.Sprint("/", i), Status: 200}, false, nil)
	}
	require.Equal(t, []string{"/4", "/3", "/bad"}, paths(j))
}

func TestOnlyWhatRulesReadIsKept(t *testing.T) {
	r, err := http.NewRequest(http.MethodGet, "http://shop/", nil)
	require.NoError(t, err)
	r.Header = http.Header{"End-User": {"jason"}, "Authorization": {"Bearer x"}, "Other": {"y"}}
	j := New(1)
	j.Add(&access.Record{Host: "shop", Path: "/?group=beta&card=1234&token=t", Request: r, Status: 200}, false,
		&Reads{Headers: []string{"End-User", "Authorization"}, Queries: []string{"group", "token"}})
	j.Last(1, func(*Decision) bool { return true }, func(d *Decision) {
		s := d.Tell()
		require.Equal(t, "/?group=beta&card=*&token=*", s.Request.Path)
		require.Equal(t, map[string]string{"End-User": "jason"}, s.Request.Headers)
		require.True(t, s.Withheld)
		require.Equal(t, "http://shop/?group=beta&card=*&token=*", d.Asked().URL.String())
		require.Nil(t, d.Record.Request, "it belongs to the caller")
	})
}

func TestLongTextsAreCutWithoutBreakingCharacters(t *testing.T) {
	require.Equal(t, "short", Bounded("short"))
	long := Bounded(strings.Repeat("é", maxText))
	require.LessOrEqual(t, len(long), maxText)
	require.Equal(t, strings.ToValidUTF8(long, "?"), long)
}
