package check_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
)

func fields(err error) (list []string) {
	for p := range mesh.Problems(err) {
		list = append(list, p.Field)
	}
	return list
}

func TestAListHoldsAllProblems(t *testing.T) {
	var l check.List
	require.NoError(t, l.Err())
	l.Prefix = "retry"
	l.Add("Attempts", -1, "must be at least %d", 0)
	l.Add("On", "100%", "is no condition")
	l.NotNegative("PerTry", -time.Second)
	l.NotNegative("Backoff.Base", time.Second)
	l.Share("Share", mesh.Percent(101))
	l.Share("Share", mesh.Percent(100))
	require.Equal(t, []string{"retry.Attempts", "retry.On", "retry.PerTry", "retry.Share"}, fields(l.Err()))
	require.ErrorContains(t, l.Err(), "retry.Attempts: must be at least 0 (got -1)")
	require.ErrorContains(t, l.Err(), `retry.On: is no condition (got "100%")`)
}

func TestIncludePutsProblemsBelowAField(t *testing.T) {
	var inner, outer check.List
	inner.Add("Max", 1, "is too small")
	inner.Add("[2].Name", "", "is empty")
	outer.Prefix = "spec"
	outer.Include("Backoff", nil)
	require.NoError(t, outer.Err())
	outer.Include("Backoff", inner.Err())
	outer.Include("File", errors.New("not found"))
	require.Equal(t, []string{"spec.Backoff.Max", "spec.Backoff[2].Name", "spec.File"}, fields(outer.Err()))
	require.Equal(t, []string{"Max", "[2].Name"}, fields(inner.Err()), "the problems included were changed")
}

func TestIncludePutsAFieldInPlaceOfAPrefix(t *testing.T) {
	match, retry, upstream := check.List{Prefix: "match"}, check.List{Prefix: "retry"}, check.List{Prefix: "upstream"}
	match.Add("[1].Path", "(", "is no expression")
	match.Add("", nil, "is empty")
	retry.Add("retry.retry", nil, "is a field like any other")
	retry.Include("When", match.Err())
	retry.Include("", match.Err())
	upstream.Include("Retry", fmt.Errorf("wrapped: %w", retry.Err()))
	require.Equal(t, []string{
		"upstream.Retry.retry.retry", "upstream.Retry.When[1].Path", "upstream.Retry.When", "upstream.Retry[1].Path", "upstream.Retry",
	}, fields(upstream.Err()))
}

func TestJoin(t *testing.T) {
	for _, tt := range [][3]string{{"", "", ""}, {"a", "", "a"}, {"", "b", "b"}, {"a", "b", "a.b"}, {"a", "[0]", "a[0]"}, {"a", "[0].b", "a[0].b"}} {
		require.Equal(t, tt[2], check.Join(tt[0], tt[1]))
	}
}
