package upstream_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/upstream"
)

// A request under way may need a further attempt after its connections are gone.
func TestARequestIsRepeatedOverTheConnectionsOfAnUpdate(t *testing.T) {
	for name, change := range map[string]func(*upstream.Config){
		"other connections": func(c *upstream.Config) { c.Connections.MaxRequests = 5 },
		"a transport":       func(c *upstream.Config) { c.Transport = meshtest.NewUpstream() },
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			failed := make(chan struct{})
			c := upstream.Config{
				Name: "reviews",
				Endpoints: lb.Addrs(serve(t, func(w http.ResponseWriter, _ *http.Request) {
					if asked.Add(1) == 1 {
						w.WriteHeader(http.StatusServiceUnavailable)
						defer close(failed)
					}
				})),
				Retry: retry.Config{Statuses: []int{503}, Backoff: retry.Backoff{Base: 1, Min: 100 * time.Millisecond}},
			}
			u := open(t, c)
			updated := make(chan error, 1)
			go func() {
				<-failed
				change(&c)
				updated <- u.Update(c)
			}()
			status, _, err := get(u)
			require.NoError(t, <-updated)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
		})
	}
}
