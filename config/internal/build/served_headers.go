package build

import (
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/rw"
)

// ServedHeaders does to headers what a server's sidecar does on its own.
func ServedHeaders(next http.Handler) http.Handler { return servedHeaders{next} }

type servedHeaders struct{ next http.Handler }

// ServeHTTP implements http.Handler.
func (h servedHeaders) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := r.WithContext(r.Context())
	in.Header = maps.Clone(r.Header)
	for _, name := range callersWishes {
		delete(in.Header, name)
	}
	if in.Header.Get("X-Request-Id") == "" {
		in.Header["X-Request-Id"] = []string{newUUID()}
	}
	if len(in.Header["X-Forwarded-Proto"]) == 0 {
		in.Header["X-Forwarded-Proto"] = []string{schemeOf(r)}
	}
	s := &signing{start: time.Now()}
	h.next.ServeHTTP(s.Wrap(w, s), in)
	flow.HandBack(r, in)
	s.Finish()
}

func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// signing puts the sidecar's name to an answer.
type signing struct {
	rw.Writer
	start   time.Time
	refused bool
}

// OnRefusal implements rw.RefusalHook.
func (s *signing) OnRefusal(error) { s.refused = true }

// BeforeHeader implements rw.Hooks.
func (s *signing) BeforeHeader(status int) int {
	h := s.Header()
	h["Server"] = []string{"istio-envoy"}
	if !s.refused {
		took := time.Since(s.start).Milliseconds()
		h["X-Envoy-Upstream-Service-Time"] = []string{strconv.FormatInt(took, 10)}
	}
	return status
}
