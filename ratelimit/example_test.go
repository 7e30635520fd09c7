package ratelimit_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/ratelimit"
)

// Each user may make so many requests as the service knows, to whichever process
// they go.
func Example() {
	service := startService() // in a cluster it is there already
	defer service.stop()
	service.limit("user=anna", 2)

	limits, err := ratelimit.New(ratelimit.Config{
		Service: service.conn, // of grpc.NewClient
		Domain:  "shop",
		Limits: []ratelimit.Limit{{Actions: []ratelimit.Action{
			{Key: "user", From: match.HeaderKey("X-User")},
		}}},
		Headers: true,
		Timeout: time.Second,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	for range 2 { // processes
		server := httptest.NewServer(limits.Handler(hello))
		defer server.Close()
		for range 2 {
			req, _ := http.NewRequest("GET", server.URL, nil)
			req.Header.Set("X-User", "anna")
			res, err := server.Client().Do(req)
			if err != nil {
				fmt.Println(err)
				return
			}
			res.Body.Close()
			fmt.Println(res.Status, "of", res.Header.Get("X-Ratelimit-Limit"), "left", res.Header.Get("X-Ratelimit-Remaining"))
		}
	}
	// Output:
	// 200 OK of 2, 2;w=3600 left 1
	// 200 OK of 2, 2;w=3600 left 0
	// 429 Too Many Requests of 2, 2;w=3600 left 0
	// 429 Too Many Requests of 2, 2;w=3600 left 0
}
