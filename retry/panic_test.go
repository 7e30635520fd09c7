package retry_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/retry"
)

func TestAPanicInsideTakesNothingFromTheBudget(t *testing.T) {
	for name, c := range map[string]retry.BudgetConfig{"of attempts under way": {MinConcurrent: 1}, "of a number": {MaxConcurrent: 1}} {
		t.Run(name, func(t *testing.T) {
			budget, err := retry.NewBudget(c)
			require.NoError(t, err)
			retries, err := retry.New(retry.Config{Attempts: 1, On: []retry.Condition{retry.ServerError}, Backoff: retry.Backoff{Base: 1}, Budget: budget})
			require.NoError(t, err)
			for after := range 2 {
				attempts := 0
				client := retries.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
					if attempts++; attempts > after {
						panic("a mistake")
					}
					return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody, Request: r}, nil
				}))
				r, err := http.NewRequest(http.MethodGet, "http://reviews/", nil)
				require.NoError(t, err)
				require.Panics(t, func() { client.RoundTrip(r) }) //nolint:errcheck,bodyclose // it panics
				require.Equal(t, after+1, attempts)
				require.Zero(t, budget.Stats())
			}
		})
	}
}
