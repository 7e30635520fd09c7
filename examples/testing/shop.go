// Package testing shows how a service tests what its mesh does: in go test,
// without a cluster, and in milliseconds.
package testing

import (
	"errors"
	"io"
	"net/http"
)

// NewShop is the service: a page with the reviews of a product, and without them
// when there are none to be had.
func NewShop(reviews *http.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /products/{id}", func(w http.ResponseWriter, r *http.Request) {
		text, err := get(reviews, r, "http://reviews/"+r.PathValue("id"))
		if err != nil {
			text = "no reviews at the moment"
		}
		io.WriteString(w, "product "+r.PathValue("id")+": "+text)
	})
	return mux
}

func get(client *http.Client, served *http.Request, url string) (string, error) {
	r, err := http.NewRequestWithContext(served.Context(), http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", errors.New(res.Status)
	}
	text, err := io.ReadAll(res.Body)
	return string(text), err
}
