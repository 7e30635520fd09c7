package match

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestValidateSaysWhatNewSays(t *testing.T) {
	for name, c := range map[string]struct {
		request Request
		wrong   string
	}{
		"nothing set":              {Request{}, ""},
		"plain values":             {Request{Path: Prefix("/a"), Headers: []Field{{"x", Present()}}, Query: []Field{{"q", Exact("1")}}}, ""},
		"an expression":            {Request{Path: Regex("a+")}, ""},
		"an expression in a query": {Request{Query: []Field{{"q", Regex("a+")}}}, ""},
		"a wrong expression":       {Request{Path: Regex("a(")}, "missing closing )"},
		"a wrong name":             {Request{Headers: []Field{{"x y", Present()}}}, "Headers[0].Name"},
		"a wrong name that is not to be there": {
			Request{Without: []Field{{"x y", Present()}}}, "Without[0].Name",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.request.Validate()
			_, other := New(c.request)
			require.Equal(t, other, err)
			if c.wrong == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.wrong)
			}
		})
	}
}

func TestALongExpressionIsNotRepeatedInItsError(t *testing.T) {
	_, err := New(Request{Path: Regex("(" + strings.Repeat("a", 5000))})
	require.ErrorContains(t, err, "missing closing )")
	require.Less(t, len(err.Error()), 1000)
}

func TestWhatSetsNothingIsZero(t *testing.T) {
	require.True(t, Request{}.IsZero())
	for _, set := range []Request{
		{Method: Exact("GET")}, {Scheme: Exact("http")}, {Host: Exact("a")}, {Path: Prefix("/")}, {Port: 80},
		{Headers: []Field{{"x", Present()}}}, {Without: []Field{{"x", Present()}}}, {Query: []Field{{"x", Present()}}},
	} {
		require.False(t, set.IsZero(), "%+v", set)
	}
}

func TestAViewIsOfItsRequest(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	v := ViewOf(r)
	require.Same(t, r, v.Request())
	require.Equal(t, "GET", v.Method())
	v = ViewOf(&http.Request{})
	require.Equal(t, "GET", v.Method(), "that of a client which names none")
}
