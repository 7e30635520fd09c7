package limit

import (
	"net/http"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/peer"
	"github.com/sidecarless/mesh/match"
)

// PerIdentity is a [Config.Key] that gives each workload a bucket that calls over
// mutual TLS: the key is its SPIFFE id without "spiffe://".
func PerIdentity(r *http.Request) (string, bool) {
	id := peer.Identity(r)
	return id, id != ""
}

// PerPath makes a [Config.Key] that gives each path template a bucket, such as
// "/users/{*}/orders" (see [match.Template]): the first one that fits is the key.
// A path that fits none has no key.
func PerPath(templates ...string) (match.Key, error) {
	l := check.List{Prefix: "limit"}
	values := make([]match.Value, len(templates))
	for i, t := range templates {
		values[i] = match.Template(t)
	}
	_, err := match.NewStrings(values...)
	l.Include("", err)
	if len(templates) == 0 {
		l.Add("", nil, "templates are missing")
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	fits := make([]*match.Strings, len(templates))
	for i, v := range values {
		fits[i], _ = match.NewStrings(v) // as checked above
	}
	return func(r *http.Request) (string, bool) {
		v := match.ViewOf(r)
		path := v.Path()
		for i, t := range fits {
			if t.Match(path) {
				return templates[i], true
			}
		}
		return "", false
	}, nil
}
