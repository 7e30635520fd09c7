package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// counts are the answers by version and replica.
type counts map[string]int

// send sends n requests, sixteen at a time, and counts who answered. A request
// that fails is an error.
func send(client *http.Client, n int, group string) (counts, error) {
	var (
		mu     sync.Mutex
		seen   = counts{}
		errs   []error
		wg     sync.WaitGroup
		tokens = make(chan struct{}, 16)
	)
	for range n {
		tokens <- struct{}{}
		wg.Go(func() {
			defer func() { <-tokens }()
			name, err := version(client, group)
			mu.Lock()
			defer mu.Unlock()
			seen[name]++
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return seen, errors.Join(errs...)
}

func version(client *http.Client, group string) (string, error) {
	r, err := http.NewRequest(http.MethodGet, "http://product/version", nil)
	if err != nil {
		return "", err
	}
	if group != "" {
		r.Header.Set("user-group", group)
	}
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, text)
	}
	return string(text), err
}

// background sends requests until the function that it returns is called, which
// tells whether one failed.
func background(client *http.Client) (stop func() error) {
	done, result := make(chan struct{}), make(chan error)
	go func() {
		var err error
		for {
			select {
			case <-done:
				result <- err
				return
			default:
				_, e := send(client, 32, "")
				err = errors.Join(err, e)
			}
		}
	}()
	return func() error {
		close(done)
		return <-result
	}
}

func (c counts) total() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// share is the part that a version answered.
func (c counts) share(version string) float64 {
	n := 0
	for name, k := range c {
		if strings.HasPrefix(name, version+" ") {
			n += k
		}
	}
	return float64(n) / float64(c.total())
}

// shareOf is an error when the share of a version is not what chance allows
// around the one that is wanted.
func (c counts) shareOf(version string, want float64) error {
	got, n := c.share(version), float64(c.total())
	if math.Abs(got-want) > 5*math.Sqrt(want*(1-want)/n) {
		return fmt.Errorf("%s got %.1f %%, wanted %.1f %%", version, 100*got, 100*want)
	}
	return nil
}

// print writes a table with a bar for each replica.
func (c counts) print(w io.Writer) {
	fmt.Fprintf(w, "  %-8s %-10s %5s %7s\n", "version", "replica", "count", "share")
	for _, name := range slices.Sorted(maps.Keys(c)) {
		version, replica, _ := strings.Cut(name, " ")
		share := float64(c[name]) / float64(c.total())
		fmt.Fprintf(w, "  %-8s %-10s %5d %6.1f%% %s\n", version, replica, c[name], 100*share, strings.Repeat("#", int(math.Round(40*share))))
	}
}
