package main

import (
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/sidecarless/mesh/examples/internal/demo"
)

// homes asks for 200 users three times each and returns their endpoints. It is an
// error if a user got to different ones.
func homes(client *http.Client) (map[string]string, error) {
	var mu sync.Mutex
	home, next := map[string]string{}, 0
	_, err := demo.Count(600, func() (string, error) {
		mu.Lock()
		user := fmt.Sprint("user-", next%200)
		next++
		mu.Unlock()
		endpoint, err := demo.Text(client, "http://database-service/", "x-user-id", user)
		mu.Lock()
		defer mu.Unlock()
		if known := home[user]; known != "" && known != endpoint {
			err = errors.Join(err, fmt.Errorf("%s was at %s and at %s", user, known, endpoint))
		}
		home[user] = endpoint
		return endpoint, err
	})
	return home, err
}

// count counts the users of each endpoint.
func count(home map[string]string) demo.Counts {
	c := demo.Counts{}
	for _, endpoint := range home {
		c[endpoint]++
	}
	return c
}
