package mesh_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/authz/external"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/discovery"
	"github.com/sidecarless/mesh/fault"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/mirror"
	"github.com/sidecarless/mesh/mtls"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/rewrite"
	"github.com/sidecarless/mesh/route"
	"github.com/sidecarless/mesh/split"
	"github.com/sidecarless/mesh/timeout"
	"github.com/sidecarless/mesh/upstream"
)

// failure is the error alone, of what a constructor returns.
func failure[T any](_ T, err error) error { return err }

// A field is named by the package that was asked, also where the package asks
// another one.
func TestProblemsNameThePackageAndTheField(t *testing.T) {
	bad := match.Regex("(")
	request := match.Request{Path: bad}
	for field, err := range map[string]error{
		"authz.Ask": failure(authz.New(authz.Config{Policies: []authz.Policy{{Action: authz.Custom}}})),
		"authz.Policies[0].Rules[0].To[0].Paths.In[0]": failure(authz.New(authz.Config{Policies: []authz.Policy{{
			Rules: []authz.Rule{{To: []authz.Operation{{Paths: authz.Set{In: []match.Value{bad}}}}}},
		}}})),
		"external.RequestHeaders[0]": failure(external.New(external.Config{URL: "http://authz", RequestHeaders: []match.Value{bad}})),
		"breaker.Limits.MaxRequests": failure(breaker.New(breaker.Config{Limits: breaker.LimitsConfig{MaxRequests: -1}})),
		"breaker.MaxRequests":        failure(breaker.NewLimits(breaker.LimitsConfig{MaxRequests: -1})),
		"outlier.Interval":           failure(outlier.New(outlier.Config{Interval: -1})),
		"console.Series":             failure(console.New(console.Config{Series: -1})),
		"discovery.Path":             failure(discovery.NewFile(discovery.FileConfig{})),
		"discovery.Timeout":          failure(discovery.NewDNS(discovery.DNSConfig{Timeout: -1, Endpoints: []lb.Endpoint{{Addr: "a:80"}}})),
		"fault.When.Path":            failure(fault.New(fault.Config{When: request})),
		"lb.Algorithm.Choices":       failure(lb.New(lb.Config{Algorithm: lb.LeastRequest{Choices: 1}})),
		"lb.Endpoints[0].Addr":       failure(lb.New(lb.Config{Endpoints: []lb.Endpoint{{}}})),
		"lb.Hash[0].Header":          failure(lb.New(lb.Config{Algorithm: lb.Maglev{}, Hash: []lb.HashSource{{Header: "a b"}}})),
		"lb.Placement[0].Rules[0].To": failure(lb.New(lb.Config{
			Placement: []lb.Placement{lb.Distribute{Rules: []lb.Distribution{{From: "*"}}}},
		})),
		"lb[0].Header":                        failure(lb.NewHasher(lb.HashSource{Header: "a b"})),
		"lb.Choices":                          lb.LeastRequest{Choices: 1}.Validate(),
		"limit.Exempt.Path":                   failure(limit.New(limit.Config{Rate: 1, Exempt: []match.Request{request}})),
		"limit[1]":                            failure(limit.PerPath("/a", "{*")),
		"match.Path":                          failure(match.New(request)),
		"match[1].Path":                       failure(match.New(match.Request{}, request)),
		"match[0]":                            failure(match.NewStrings(bad)),
		"mirror.To":                           failure(mirror.New(mirror.Config{})),
		"mtls.Interval":                       failure(mtls.New(mtls.Config{CertFile: "a", KeyFile: "b", RootsFile: "c", Interval: -1})),
		"retry.Backoff.Base":                  failure(retry.New(retry.Config{Backoff: retry.Backoff{Base: -1}})),
		"retry.TTL":                           failure(retry.NewBudget(retry.BudgetConfig{TTL: -1})),
		"rewrite.Regex":                       failure(rewrite.New(rewrite.Config{Regex: "("})),
		"rewrite.Origins[0]":                  failure(rewrite.NewCORS(rewrite.CORSConfig{Origins: []match.Value{bad}})),
		"rewrite.Status":                      rewrite.Redirect{Status: 200, Path: "/"}.Validate(),
		"rewrite.Header":                      rewrite.Reply{Header: http.Header{"a b": {"c"}}}.Validate(),
		"route[1].Match[0].Path":              failure(route.New(route.Rule[int]{}, route.Rule[int]{Match: []match.Request{request}})),
		"split[0].Name":                       failure(split.New(split.Branch[int]{Weight: 1})),
		"split.Key":                           failure(split.NewSticky(split.StickyConfig{})),
		"timeout.Total":                       failure(timeout.New(timeout.Config{Total: -1})),
		"upstream.Health.Interval":            failure(upstream.New(upstream.Config{Health: upstream.Health{Interval: -1}})),
		"upstream.Connections.PerEndpoint":    failure(upstream.New(upstream.Config{Connections: upstream.Connections{PerEndpoint: -1}})),
		"upstream.Retry.PerTry":               failure(upstream.New(upstream.Config{Retry: retry.Config{PerTry: -1}})),
		"upstream.Ejection.Interval":          failure(upstream.New(upstream.Config{Ejection: outlier.Config{Interval: -1}})),
		"upstream.Breaker.Trip.Window":        failure(upstream.New(upstream.Config{Breaker: breaker.Config{Trip: breaker.Trip{Consecutive: 1, Window: -1}}})),
		"upstream.Breaker.Limits.MaxRequests": failure(upstream.New(upstream.Config{Breaker: breaker.Config{Limits: breaker.LimitsConfig{MaxRequests: -1}}})),
		"upstream.Balance.Algorithm.Choices":  failure(upstream.New(upstream.Config{Balance: lb.Config{Algorithm: lb.LeastRequest{Choices: 1}}})),
	} {
		t.Run(field, func(t *testing.T) {
			var fields []string
			for p := range mesh.Problems(err) {
				fields = append(fields, p.Field)
			}
			require.Equal(t, []string{field}, fields, "%v", err)
		})
	}
}
