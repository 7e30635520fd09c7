package main

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"fortio.org/fortio/fhttp"
	"fortio.org/fortio/periodic"
	fortio "fortio.org/log"
)

// load is "fortio load -qps 0 -c CONNECTIONS -n REQUESTS" by way of the mesh, with
// so many requests for each connection. It returns how often there was which status.
func load(mesh http.RoundTripper, connections, each int) (map[int]int64, error) {
	fortio.SetLogLevelQuiet(fortio.Error)
	results, err := fhttp.RunHTTPTest(&fhttp.HTTPRunnerOptions{
		RunnerOptions: periodic.RunnerOptions{
			QPS: -1, NumThreads: connections, Exactly: int64(connections * each), Out: io.Discard,
		},
		HTTPOptions: fhttp.HTTPOptions{
			URL:               "http://backend-service:8080/",
			Resolve:           "127.0.0.1", // the name is the mesh's; fortio wants to look it up beforehand
			HTTPReqTimeOut:    time.Minute,
			DisableFastClient: true, // net/http's client takes a Transport
			Transport:         func(http.RoundTripper) http.RoundTripper { return mesh },
		},
	})
	if err != nil {
		return nil, err
	}
	return results.RetCodes, nil
}

// A replica is well until it is sick.
type replica struct {
	well     http.Handler
	sick     atomic.Bool
	failures atomic.Int64
}

func (s *replica) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.sick.Load() {
		s.well.ServeHTTP(w, r)
		return
	}
	s.failures.Add(1)
	w.WriteHeader(http.StatusInternalServerError)
}
