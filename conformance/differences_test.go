package conformance

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/istio"
)

// differences are the tests of what we do instead, by the names in DIFFERENCES.md.
var differences = map[string]func(*testing.T){
	"strict-schema":           unknownFieldsAreRefused,
	"unknown-host":            unknownHostsAreRefusedUnlessSentOn,
	"headers-of-the-proxy":    headersAreLeftAlone,
	"accidents-refused":       accidentsAreRefused,
	"fields-not-carried-out":  clientsAreRefused,
	"automatic-mtls":          nil, // config/istio: TestWhatIsNotCarriedOutIsAnErrorThatSaysSo
	"lost-warnings":           warningsAreKept,
	"connection-permits":      nil, // upstream: TestTheLimitOnConnectionsLetsRequestsWait
	"header-names":            nil, // net/http
	"two-lengths":             nil, // net/http
	"namespace-wildcards":     nil, // config/internal/security: TestValues
	"several-tokens":          nil, // jwt: TestFurtherTokensOfARequestMustBeGoodToo
	"strict-tokens":           nil, // jwt: TestTokensThatMustFail
	"keys-that-cannot-be-had": nil, // jwt: TestWithoutKeysTokensAreRefused
	"sidecar-scopes":          nil, // config/istio: TestASidecarIsReadForUnknownHostsOnly
	"routes-after-decisions":  nil, // config/istio: TestAServiceDecidesBeforeAGatewayRoutes
}

var namedDifference = regexp.MustCompile(`(?m)^\| ([a-z][a-z-]+) \|`)

func TestEveryDifferenceIsKnownByName(t *testing.T) {
	text, err := os.ReadFile("DIFFERENCES.md")
	require.NoError(t, err)
	var listed []string
	for _, m := range namedDifference.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "name" {
			listed = append(listed, m[1])
		}
	}
	var known []string
	for name := range differences {
		known = append(known, name)
	}
	require.ElementsMatch(t, known, listed)
	for name, check := range differences {
		if check != nil {
			t.Run(name, check)
		}
	}
}

const oneService = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: svc}
spec:
  hosts: [svc.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.1.1}]
`

func unknownFieldsAreRefused(t *testing.T) {
	_, err := istio.Parse("mesh.yaml", strings.NewReader(strings.Replace(oneService, "location:", "locaton:", 1)))
	require.ErrorContains(t, err, "locaton")
	require.ErrorContains(t, err, "mesh.yaml:")
}

// unknown is a RoundTripper for hosts that no resource names.
type unknown struct{}

func (unknown) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusTeapot, Body: http.NoBody, Request: r}, nil
}

func unknownHostsAreRefusedUnlessSentOn(t *testing.T) {
	config, err := istio.Parse("mesh.yaml", strings.NewReader(oneService))
	require.NoError(t, err)
	for _, c := range []struct {
		to   http.RoundTripper
		want int
	}{{nil, http.StatusServiceUnavailable}, {unknown{}, http.StatusTeapot}} {
		client, err := istio.NewClient(config, istio.ClientConfig{Unknown: c.to})
		require.NoError(t, err)
		res, err := (&http.Client{Transport: client}).Get("http://elsewhere.example.com/")
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, c.want, res.StatusCode)
		if c.to == nil {
			require.Equal(t, mesh.NoHealthyUpstream, mesh.FlagOf(mesh.ErrorOf(res)))
			require.ErrorContains(t, mesh.ErrorOf(res), "elsewhere.example.com")
		}
		require.NoError(t, client.Close())
	}
}

func headersAreLeftAlone(t *testing.T) {
	for _, proxy := range []bool{false, true} {
		s := startServers([]server{{Name: "svc", Address: "127.0.1.1:80"}})
		config, err := istio.Parse("mesh.yaml", strings.NewReader(oneService))
		require.NoError(t, err)
		client, err := istio.NewClient(config, istio.ClientConfig{Dial: s.dial, ProxyHeaders: proxy})
		require.NoError(t, err)
		r, err := http.NewRequest(http.MethodGet, "http://svc/", nil)
		require.NoError(t, err)
		r.Header.Set(idHeader, "r")
		r.Header.Set("X-Envoy-Max-Retries", "7")
		res, err := (&http.Client{Transport: client}).Do(r)
		require.NoError(t, err)
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		seen := s.take("r")
		require.Len(t, seen, 1)
		for _, name := range []string{"X-Request-Id", "X-Forwarded-Proto", "X-Envoy-Attempt-Count"} {
			require.Equal(t, proxy, seen[0].Header.Get(name) != "", name)
		}
		require.Equal(t, proxy, seen[0].Header.Get("X-Envoy-Max-Retries") == "")
		require.NoError(t, client.Close())
		s.stop()
	}
}

func accidentsAreRefused(t *testing.T) {
	config, err := istio.Parse("mesh.yaml", strings.NewReader(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: svc}
spec:
  hosts: [svc]
  http:
  - redirect: {uri: /x, redirectCode: 304}
`))
	require.Error(t, err)
	for f := range config.Findings() {
		require.NotEqual(t, istio.CodeRefused, f.Code, "Istio accepts it")
	}
}

func clientsAreRefused(t *testing.T) {
	config, err := istio.Parse("mesh.yaml", strings.NewReader(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: svc}
spec:
  host: svc
  trafficPolicy: {proxyProtocol: {version: V2}}
`))
	require.NoError(t, err, "Istio accepts it")
	_, err = istio.NewClient(config, istio.ClientConfig{})
	require.ErrorContains(t, err, "mesh.yaml:7: DestinationRule default/svc: spec.trafficPolicy.proxyProtocol: is not carried out")
}

func warningsAreKept(t *testing.T) {
	config, err := istio.Parse("mesh.yaml", strings.NewReader(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: svc}
spec:
  host: svc
  subsets:
  - name: v1
    trafficPolicy:
      outlierDetection: {consecutiveErrors: 3}
`))
	require.NoError(t, err)
	var fields []string
	for w := range config.Warnings() {
		fields = append(fields, w.Field)
	}
	require.Contains(t, strings.Join(fields, " "), "spec.subsets[0].trafficPolicy.outlierDetection.consecutiveErrors")
}
