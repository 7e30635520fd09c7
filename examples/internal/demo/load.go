package demo

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// concurrency is how many requests Count keeps under way.
const concurrency = 16

// Get asks for a URL, with headers given as pairs of name and value, and reads the
// answer to its end.
func Get(client *http.Client, url string, headers ...string) (res *http.Response, text string, err error) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err = client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

// Text is what Get reads when the status is 200; any other is an error.
func Text(client *http.Client, url string, headers ...string) (string, error) {
	res, text, err := Get(client, url, headers...)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, res.Status, text)
	}
	return text, err
}

// Count makes n calls, sixteen at a time, and counts what they return. The errors
// of all calls are joined.
func Count(n int, call func() (string, error)) (Counts, error) {
	var (
		mu     sync.Mutex
		counts = Counts{}
		errs   []error
		wg     sync.WaitGroup
		tokens = make(chan struct{}, concurrency)
	)
	for range n {
		tokens <- struct{}{}
		wg.Go(func() {
			defer func() { <-tokens }()
			name, err := call()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			counts[name]++
		})
	}
	wg.Wait()
	return counts, errors.Join(errs...)
}

// Flow makes calls like Count does, on and on until stop is called, which returns
// what there was.
func Flow(call func() (string, error)) (stop func() (Counts, error)) {
	var (
		done   = make(chan struct{})
		ended  = make(chan struct{})
		counts = Counts{}
		errs   []error
	)
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
			}
			some, err := Count(2*concurrency, call)
			counts.Add(some)
			errs = append(errs, err)
		}
	}()
	return func() (Counts, error) {
		close(done)
		<-ended
		return counts, errors.Join(errs...)
	}
}
