package split_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/split"
)

func version(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) })
}

// A canary that grows: users who are on it stay on it.
func Example() {
	reviews, err := split.New(
		split.ServerBranch{Name: "stable", Weight: 90, Value: version("v1")},
		split.ServerBranch{Name: "canary", Weight: 10, Value: version("v2")},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	users, err := split.NewSticky(split.StickyConfig{Key: match.HeaderKey("X-User")})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := users.Handler(reviews)

	visit := func() (onCanary map[int]bool) {
		onCanary = make(map[int]bool)
		for user := range 1000 {
			r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
			r.Header.Set("X-User", fmt.Sprint("user-", user))
			handler.ServeHTTP(w, r)
			if w.Body.String() == "v2" {
				onCanary[user] = true
			}
		}
		return onCanary
	}

	before := visit()
	if err := reviews.Update(
		split.ServerBranch{Name: "stable", Weight: 80, Value: version("v1")},
		split.ServerBranch{Name: "canary", Weight: 20, Value: version("v2")},
	); err != nil {
		fmt.Println(err)
		return
	}
	after := visit()

	left := 0
	for user := range before {
		if !after[user] {
			left++
		}
	}
	fmt.Println("the canary grew:", len(after) > len(before))
	fmt.Println("users who left it:", left)
	// Output:
	// the canary grew: true
	// users who left it: 0
}

// A promotion in steps is a loop over Update; requests keep flowing.
func ExampleSplitter_Update() {
	reviews, err := split.New(split.Branch[string]{Name: "v1", Weight: 100, Value: "old"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, canary := range []uint32{10, 50, 100} {
		if err := reviews.Update(
			split.Branch[string]{Name: "v1", Weight: 100 - canary, Value: "old"},
			split.Branch[string]{Name: "v2", Weight: canary, Value: "new"},
		); err != nil {
			fmt.Println(err)
			return
		}
		counts := map[string]int{}
		for draw := range uint64(1000) {
			counts[reviews.Pick(draw).Value]++
		}
		fmt.Println(counts)
	}
	// Output:
	// map[new:100 old:900]
	// map[new:500 old:500]
	// map[new:1000]
}
