package route

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/internal/check"
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

// validate reports what is wrong with r.
func (r *Rule[T]) validate() error {
	var l check.List
	for i, h := range r.Hosts {
		if reason := badHost(h); reason != "" {
			l.Add("Hosts["+strconv.Itoa(i)+"]", h, "%s", reason)
		}
	}
	for i := range r.Match {
		if err := r.Match[i].Validate(); err != nil {
			l.Include("Match["+strconv.Itoa(i)+"]", err)
		}
	}
	return l.Err()
}

var anyHosts = []string{anyHost}

// patterns are the hosts of a rule in lower case, each once.
func patterns(hosts []string) []string {
	if len(hosts) == 0 {
		return anyHosts
	}
	all := make([]string, 0, len(hosts))
	for _, h := range hosts {
		if h = strings.ToLower(h); !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	return all
}
