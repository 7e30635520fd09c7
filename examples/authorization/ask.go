package main

import (
	"io"
	"net/http"

	"github.com/sidecarless/mesh/mtls"
)

// ask sends a request as a workload of the mesh.
func ask(as *mtls.Identity, method, url string) (status int, text string, err error) {
	transport := &http.Transport{TLSClientConfig: as.Client()}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}
