package limit_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
)

// Each user may make one request a second, and two at once.
func ExampleLimiter_Handler() {
	perUser, err := limit.New(limit.Config{Rate: 1, Burst: 2, Key: match.HeaderKey("X-User")})
	if err != nil {
		fmt.Println(err)
		return
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	server := httptest.NewServer(perUser.Handler(hello))
	defer server.Close()
	for _, user := range []string{"anna", "anna", "anna", "ben"} {
		req, _ := http.NewRequest("GET", server.URL, nil)
		req.Header.Set("X-User", user)
		res, err := server.Client().Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Printf("%s: %d %s\n", user, res.StatusCode, body)
	}
	// Output:
	// anna: 200 hello
	// anna: 200 hello
	// anna: 429 local_rate_limited
	// ben: 200 hello
}
