package lb

import (
	"fmt"
	"net/http"

	"github.com/sidecarless/mesh"
)

// A NoHostError says why there was no host for a request.
type NoHostError struct {
	Endpoints int // how many there are in all
	Ejected   int // hosts that are ejected
	Unhealthy int // hosts that a health check found wanting, and that are not ejected
	Filtered  int // endpoints left out by placement
}

// Error tells the numbers.
func (e *NoHostError) Error() string {
	if e.Endpoints == 0 {
		return "no endpoint is known"
	}
	return fmt.Sprintf("no endpoint is left: of %d, %d are ejected, %d unhealthy, %d left out by locality",
		e.Endpoints, e.Ejected, e.Unhealthy, e.Filtered)
}

// noHost is the error of a pick that found none.
func (s *snapshot) noHost() error {
	why := &NoHostError{Endpoints: len(s.set.hosts) + s.set.filtered, Filtered: s.set.filtered}
	for _, h := range s.set.hosts {
		switch {
		case h.Ejected():
			why.Ejected++
		case !h.Healthy():
			why.Unhealthy++
		}
	}
	return &mesh.Error{
		Op: "lb", Flag: mesh.NoHealthyUpstream, Status: http.StatusServiceUnavailable, Stage: mesh.NotSent,
		Details: mesh.DetailsNoHealthyUpstream, Branch: s.conf.name, Err: why,
	}
}
