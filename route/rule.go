package route

import (
	"net/http"

	"github.com/sidecarless/mesh/match"
)

// A Rule gives a value to the requests that it describes.
type Rule[T any] struct {
	// Name stands for the rule in records, errors and explanations.
	Name string
	// Hosts are those that the rule is for, without ports and without regard to
	// case: "a.example.com", "*.example.com", "www.*" or "*". A star stands for at
	// least one character, dots included. None is "*".
	Hosts []string
	// Match describes requests; one of them must fit. None fits all requests.
	Match []match.Request
	// Value is what Lookup finds.
	Value T
}

type (
	// A ClientRule has the client layer that its requests go to.
	ClientRule = Rule[http.RoundTripper]
	// A ServerRule has the handler that serves its requests.
	ServerRule = Rule[http.Handler]
)
