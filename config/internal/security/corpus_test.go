package security_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	api "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/config/internal/security"
	"github.com/sidecarless/mesh/internal/corpus"
	"github.com/sidecarless/mesh/internal/peer"
)

// What Envoy answered, configured by Istio's translation of the same policies.
func TestPoliciesDecideAsRecorded(t *testing.T) {
	var recorded struct {
		Cases []struct {
			Name          string
			Port          int
			TrustDomains  []string
			Normalization string
			TrustedHops   int
			Policies      []struct {
				Name, Namespace string
				Annotations     map[string]string
				Spec            json.RawMessage
			}
			Requests []struct {
				Method, Path, Host, Peer string
				Headers                  map[string]string
				JWT                      map[string]any
				Status                   int
				Body, SeenPath           string
			}
		}
	}
	corpus.SharedJSON(t, "istio/authz/behaviour.json", &recorded)
	for _, c := range recorded.Cases {
		t.Run(c.Name, func(t *testing.T) {
			documents := ""
			for _, p := range c.Policies {
				annotations, _ := json.Marshal(p.Annotations)
				documents += fmt.Sprintf("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: %s, namespace: %s, annotations: %s}\nspec: %s\n---\n",
					p.Name, p.Namespace, annotations, p.Spec)
			}
			if c.Normalization != "" {
				documents += "apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\npathNormalization: {normalization: " + c.Normalization + "}\n"
			}
			w := worldOf(t, documents)
			var config authz.Config
			for _, p := range w.AuthorizationPolicies {
				// Scope plays no part here: each is asked for its own namespace.
				alone := *w
				alone.AuthorizationPolicies = []plan.Object[*api.AuthorizationPolicy]{p}
				one, err := alone.Policies(security.Workload{Namespace: p.Namespace}, security.Options{TrustDomains: c.TrustDomains})
				require.NoError(t, err)
				config.Policies = append(config.Policies, one.Policies...)
			}
			config.TrustedHops = c.TrustedHops + 1
			config.Paths, config.RawPaths = plan.PathOptions(w.Mesh), plan.PathOptions(w.Mesh) == 0
			a, err := authz.New(config)
			require.NoError(t, err)
			for _, q := range c.Requests {
				r := httptest.NewRequest(or(q.Method, "GET"), or(q.Path, "/"), nil)
				r.Host, r.RemoteAddr = or(q.Host, "svc.default.svc.cluster.local"), "127.0.0.1:1234"
				for name, v := range q.Headers {
					r.Header.Set(name, v)
				}
				ctx, port := r.Context(), c.Port+1
				if q.Peer != "" {
					ctx, port = peer.With(ctx, q.Peer), c.Port
				}
				if q.JWT != nil {
					ctx = authz.WithClaims(ctx, q.JWT)
				}
				ctx = context.WithValue(ctx, http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
				saw := ""
				rec := httptest.NewRecorder()
				a.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { saw = r.RequestURI })).ServeHTTP(rec, r.WithContext(ctx))
				if q.Status == http.StatusBadRequest {
					// Envoy's parser refuses it. Here that is the business of the server.
					require.NotEqual(t, http.StatusOK, rec.Code)
					continue
				}
				require.Equal(t, q.Status, rec.Code, "%+v", q)
				if q.Status == http.StatusOK {
					require.Equal(t, or(q.SeenPath, or(q.Path, "/")), saw)
				} else {
					require.Equal(t, q.Body, rec.Body.String())
				}
			}
		})
	}
}

// The policies with which Istio tests its own translation.
func TestIstiosOwnPoliciesAreUnderstood(t *testing.T) {
	var inputs struct {
		Cases []struct {
			Name      string
			Documents []json.RawMessage
		}
	}
	corpus.SharedJSON(t, "istio/authz/inputs.json", &inputs)
	yes := func(*http.Request) (authz.Answer, error) { return authz.Answer{Allowed: true}, nil }
	for _, c := range inputs.Cases {
		t.Run(c.Name, func(t *testing.T) {
			documents := ""
			for _, d := range c.Documents {
				documents += string(d) + "\n---\n"
			}
			w := worldOf(t, documents)
			require.Len(t, w.AuthorizationPolicies, len(c.Documents))
			for i, p := range w.AuthorizationPolicies {
				alone := *w
				alone.AuthorizationPolicies = w.AuthorizationPolicies[i : i+1]
				to := security.Workload{Namespace: p.Namespace, Labels: p.Spec.GetSelector().GetMatchLabels()}
				config, err := alone.Policies(to, security.Options{Providers: map[string]security.Provider{"default": yes, "another": yes}})
				require.NoError(t, err)
				require.Len(t, config.Policies, 1)
				require.Len(t, config.Policies[0].Rules, len(p.Spec.Rules))
				if strings.HasPrefix(c.Name, "http/custom") || strings.HasPrefix(c.Name, "tcp/custom") {
					_, err = alone.Policies(to, security.Options{})
					require.Equal(t, p.Spec.GetProvider() != nil, err != nil, "CUSTOM needs its provider")
				}
			}
		})
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
