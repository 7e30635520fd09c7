package upstream_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

// One of two servers fails. Retries hide that, and after five failures in a row
// the server is left alone.
func Example() {
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello from "+r.Host)
	}))
	defer good.Close()
	bad := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler) // hangs up
	}))
	defer bad.Close()

	reviews, err := upstream.New(upstream.Config{
		Name:      "reviews",
		Endpoints: lb.Addrs(good.Listener.Addr().String(), bad.Listener.Addr().String()),
		Balance:   lb.Config{Algorithm: lb.RoundRobin{}},
		Breaker:   breaker.Config{Limits: breaker.LimitsConfig{MaxRequests: 100}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reviews.Close()

	client := &http.Client{Transport: reviews}
	answers := make(map[string]int)
	for range 100 {
		res, err := client.Get("http://reviews/")
		if err != nil {
			fmt.Println(err)
			return
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		answers[string(text)]++
	}
	fmt.Println(answers)
	fmt.Println("retries:", reviews.Stats().Retries.Retries)
	for e := range reviews.Detector().Ejections() {
		fmt.Println("ejected:", e.Reason, e.Detail)
	}
	// Output:
	// map[hello from reviews:100]
	// retries: 5
	// ejected: consecutive_5xx 5 in a row
}
