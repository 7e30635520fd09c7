package mesh_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

// Before a policy is enforced one may want to see what it would do. Each policy
// here decides the same trace twice, enforced and as a dry run: the decisions are
// the same, and the dry run stops nothing.
func TestG12ADryRunDecidesWhatWouldBeEnforced(t *testing.T) {
	t.Run("circuit", dryCircuit)
	t.Run("limiter", dryLimiter)
	t.Run("ejection", dryEjection)
	t.Run("authorization", dryAuthorization)
	t.Run("routes", dryRoutes)
}

// dryCircuit: a server fails for the middle third of a minute.
func dryCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := breaker.Config{Trip: breaker.Trip{Consecutive: 5, Open: 3 * time.Second}}
		enforced, err := breaker.New(config)
		require.NoError(t, err)
		config.DryRun = true
		dry, err := breaker.New(config)
		require.NoError(t, err)
		refusals := 0
		for i := range 600 {
			time.Sleep(100 * time.Millisecond)
			outcome := mesh.Outcome{Status: 200}
			if i > 200 && i < 400 {
				outcome = mesh.Outcome{Kind: mesh.Failure, Status: 500}
			}
			permit, err := enforced.Acquire(context.Background())
			if err == nil {
				permit.Done(outcome)
			} else {
				refusals++
			}
			before := dry.Stats().Refused
			permit, dryErr := dry.Acquire(context.Background())
			require.NoError(t, dryErr)
			permit.Done(outcome)
			require.Equal(t, err != nil, dry.Stats().Refused > before, "after %d requests", i)
			require.Equal(t, enforced.Stats().State, dry.Stats().State, "after %d requests", i)
		}
		require.Greater(t, refusals, 150)
	})
}

// dryLimiter: twice as many requests come as may pass.
func dryLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := limit.Config{Rate: 10, Burst: 5, Key: match.HeaderKey("user")}
		enforced, err := limit.New(config)
		require.NoError(t, err)
		config.DryRun = true
		dry, err := limit.New(config)
		require.NoError(t, err)
		ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		for i := range 400 {
			time.Sleep(25 * time.Millisecond)
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("User", fmt.Sprint(i%2))
			w, unhindered := httptest.NewRecorder(), httptest.NewRecorder()
			enforced.Handler(ok).ServeHTTP(w, r)
			before := dry.Stats().Limited
			dry.Handler(ok).ServeHTTP(unhindered, r)
			require.Equal(t, 200, unhindered.Code)
			require.Equal(t, w.Code != 200, dry.Stats().Limited > before, "request %d", i)
		}
		require.Equal(t, enforced.Stats(), dry.Stats())
		require.Greater(t, enforced.Stats().Limited, uint64(150))
	})
}

// dryEjection: of twenty hosts every fifth fails. The dry run notes whom it would
// have ejected first, and leaves them in use.
func dryEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := func(dry bool) (causes []string, ejected int) {
			d, err := outlier.New(outlier.Config{Consecutive5xx: 3, MaxEjected: mesh.Percent(50), DryRun: dry})
			require.NoError(t, err)
			defer d.Close()
			var hosts []*lb.Host
			for i := range 20 {
				hosts = append(hosts, lb.NewHost(lb.Endpoint{Addr: fmt.Sprintf("10.0.0.%d:80", i)}))
			}
			d.Changed(hosts, nil)
			for i := range 100 {
				outcome := mesh.Outcome{Status: 200}
				if i%5 == 0 {
					outcome = mesh.Outcome{Kind: mesh.Failure, Status: 500}
				}
				d.Observe(hosts[i%20], outcome)
			}
			for e := range d.Journal() {
				causes = append(causes, fmt.Sprint(e.Host.Addr(), e.Reason, e.Detail))
			}
			for _, h := range hosts {
				if h.Ejected() {
					ejected++
				}
			}
			return causes, ejected
		}
		enforced, out := first(false)
		require.Equal(t, 4, out)
		noted, out := first(true)
		require.Zero(t, out)
		require.Equal(t, enforced, noted)
	})
}

// dryAuthorization: requests by path and method, with a policy that denies some.
func dryAuthorization(t *testing.T) {
	one := func(values ...string) (s authz.Set) {
		for _, v := range values {
			s.In = append(s.In, match.Exact(v))
		}
		return s
	}
	for _, action := range []authz.Action{authz.Allow, authz.Deny} {
		policy := authz.Policy{Name: "p", Action: action, Rules: []authz.Rule{{To: []authz.Operation{{Methods: one("GET"), Paths: one("/a", "/b")}}}}}
		enforced, err := authz.New(authz.Config{Policies: []authz.Policy{policy}})
		require.NoError(t, err)
		policy.DryRun = true
		dry, err := authz.New(authz.Config{Policies: []authz.Policy{policy}})
		require.NoError(t, err)
		for _, method := range []string{"GET", "POST"} {
			for _, path := range []string{"/a", "/b", "/c"} {
				r := httptest.NewRequest(method, path, nil)
				before := dry.Stats().WouldDeny
				require.True(t, dry.Decide(r).Allowed)
				require.Equal(t, !enforced.Decide(r).Allowed, dry.Stats().WouldDeny > before, "%v %s %s", action, method, path)
			}
		}
	}
}

// dryRoutes: a table needs no mode for it, since to look a request up changes
// nothing. The next table is asked beside the one in force.
func dryRoutes(t *testing.T) {
	rule := func(name, path string) route.Rule[string] {
		return route.Rule[string]{Name: name, Match: []match.Request{{Path: match.Prefix(path)}}, Value: name}
	}
	inForce, err := route.New(rule("api", "/api"), rule("rest", "/"))
	require.NoError(t, err)
	rules := []route.Rule[string]{rule("v2", "/api/v2"), rule("api", "/api"), rule("rest", "/")}
	next, err := route.New(rules...)
	require.NoError(t, err)
	var trace []*http.Request
	var would []string
	for _, path := range []string{"/", "/api/v1", "/api/v2/users", "/v2"} {
		r := httptest.NewRequest("GET", path, nil)
		trace = append(trace, r)
		now, _ := inForce.Lookup(r)
		then, _ := next.Lookup(r)
		would = append(would, then.Name)
		if path == "/api/v2/users" {
			require.Equal(t, "api", now.Name)
			require.Equal(t, "v2", then.Name)
		} else {
			require.Equal(t, now.Name, then.Name)
		}
	}
	require.NoError(t, inForce.Update(rules...))
	for i, r := range trace {
		now, _ := inForce.Lookup(r)
		require.Equal(t, would[i], now.Name)
	}
}
