package retry_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/retry"
)

func Example() {
	attempts := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if attempts++; attempts < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "here at last")
	}))
	defer server.Close()

	policy, err := retry.New(retry.Config{Attempts: 2, On: []retry.Condition{retry.GatewayError}})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: policy.Transport(http.DefaultTransport)}
	res, err := client.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, string(text), "after", policy.Stats().Retries, "retries")
	// Output: 200 here at last after 2 retries
}

// A budget is best shared by all policies that lead to the same servers.
func ExampleNewBudget() {
	budget, err := retry.NewBudget(retry.BudgetConfig{Percent: 10, PerSecond: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	reads, err := retry.New(retry.Config{Attempts: 3, Budget: budget})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = retry.New(retry.Config{Attempts: -1, Budget: budget, On: []retry.Condition{"sometimes"}})
	fmt.Println(reads.Stats().Retries, err)
	// Output: 0 retry.On[0]: is no condition for retries (got "sometimes")
}
