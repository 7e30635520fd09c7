// Package examples_test builds every example and runs it: it must end well by
// itself, in time, and print what it shows.
package examples_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	// What the examples are built of: results of earlier runs do not count any more
	// when it changes.
	_ "github.com/sidecarless/mesh/config/istio"
	_ "github.com/sidecarless/mesh/examples/internal/demo"
	_ "github.com/sidecarless/mesh/telemetry/metrics"
)

// examples are the folders, each with expressions that its output must match.
var examples = map[string][]string{
	"authorization": {
		`frontend +GET +/api/orders +200  hello frontend, this is /api/orders\n`, `frontend +DELETE +/api/orders +403 `,
		`frontend +GET +/api/\.\./admin +403  RBAC: access denied\n`, `batch +GET +/api/orders +403 `,
	},
	"canary": {
		`2\.0 +50 % +\d+ +[1-9]\d*\n2\.0 +0 %  stepped back`,
		`2\.1 +100 %  promoted`,
	},
	"circuit-breaker": {
		`warning: mesh\.yaml:19: .*consecutiveErrors: is withdrawn`,
		`load -c 50 +100\.0% +0\.0%  500 x 200\n`,
		`load -c 200 .*% .*%  \d+ x 200, \d+ x 503 UO\n`,
		`got \d+ of 600 requests until it was ejected`,
	},
	"fault-injection": {
		`latency +answered after \d+ ms`,
		`impatient .*deadline exceeded`,
		`error +\d+ x 200, \d+ x 500 FI`,
		`production +9\d+ x 200`,
	},
	"gateway": {
		`http://app\.example\.com/start +301  https://app\.example\.com/start\n`,
		`https://app\.example\.com/api/users +200  api /users\n`, `https://other\.example\.com/ +no server`,
	},
	"header-routing": {
		`end-user: jason +v2\n`, `x-region: us-east +us-version\n`, `x-region: eu-us-1 +v1\n`,
		`User-Agent: Mobile Safari +mobile-optimized\n`,
	},
	"load-balancing": {
		`round-robin\n.*\n +10\.0\.1\.1 +200 `,
		`least-request\n`,
		`without 10\.0\.1\.2 its \d+ users move, and \d+ of the other \d+\n`,
	},
	"locality-failover": {
		`refused: seed\.yaml:18: .*failover: cannot stand beside .*distribute`,
		`us-west a +\d+ `,
		`us-east-1 +500 +100\.0%`,
		`us-east-2 +\d+ +[89]\d\.\d%`,
	},
	"mirroring": {
		`v1 +2000 +100\.0%`,
		`\d+ copies \(.* %\) came to v2-test`,
	},
	"mtls": {
		`frontend of the mesh +hello spiffe://cluster\.local/ns/shop/sa/frontend\n`, `expired +refused\n`,
		`by a foreign root +refused\n`, `plain text +refused\n`, `by the old root +refused\n`,
	},
	"observability": {
		`console of productpage-v1: http://127\.0\.0\.1:\d+/\n`,
		`"GET /productpage HTTP/1\.1" 5\d\d - via_upstream `,
		`(?s)istio-ingressgateway at .*istio_requests_total +[1-9]\d*  .*destination_workload="productpage-v1" reporter="source"`,
		`(?s)ratings-v1 at .*connection_security_policy="mutual_tls" .*reporter="destination"`,
		`envoy_cluster_upstream_rq_retry +[1-9]`,
		`(?s)productpage-v1 at /decisions:.*try 1 .* 503 .*then again: .*try 2 `,
	},
	"primitives-only": {
		`retry +200 after 3 attempts\n`,
		`the failing server got 5, 15 were refused at once\n`,
		`breaker +half-open to closed`,
		`ring +300 users`,
	},
	"quickstart": {
		`(?s)1,000 requests .*v1 replica-1 .*v1 replica-2 .*v1 replica-3 .*v2 replica-1 `,
		`v2 replica-1 +100 +100\.0%`,
		`0/100 +v1 +0\.0 % +v2 100\.0 %`,
		`requests sent, \d+ served, none failed\n`,
		`Next: edit .*mesh\.yaml`,
	},
	"rate-limit": {
		`200 OK +[1-4]\d +`, `429 Too Many Requests +\d+ +`, // how many were to pass it checks itself, by the time they took
		`greedy  429 .*Retry-After: 1\n  / +greedy  200 OK`, `RateLimit production/app per-user: \d\d passed, `,
	},
	"retries-and-timeouts": {
		`fails twice +200 +3 `, `always fails +503 +4 .*  URX\n`, `always hangs +504 +4 .*  URX,UT\n`,
	},
	"server-middleware": {
		`/api/v1/products/7 +200 `, `/report +504  UT\n`, `/export +503  UO\n`,
	},
	"traffic-split": {
		`weights 900m and 100m:\n`, `my-app-v2 +1000 +100\.0%`, `none failed; 3 upstreams made\n`,
	},
	"uri-routing": {
		`/v2/products\?page=2 +api-service v2 sees /products\?page=2\n`, `/admin/users +admin-service sees /admin/users\n`,
	},
}

// atMost is how long an example may take on a machine that is busy with other tests.
const atMost = 3 * time.Minute

func TestEveryExampleShowsWhatItClaims(t *testing.T) {
	bin := t.TempDir()
	args := []string{"build", "-o", bin + string(filepath.Separator)}
	if raceDetector() {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "./...")...).CombinedOutput()
	require.NoError(t, err, "%s", out)

	for name, lines := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), atMost)
			defer cancel()
			out, err := exec.CommandContext(ctx, filepath.Join(bin, name)).CombinedOutput()
			require.NoError(t, err, "%s", out)
			for _, line := range lines {
				require.Regexp(t, line, string(out))
			}
		})
	}
}

// Readers come from the YAML and the commands that they know.
func TestEveryReadmeNamesTheSnippetAndTheCommandsOfASidecar(t *testing.T) {
	readmes, err := filepath.Glob("*/README.md")
	require.NoError(t, err)
	require.Greater(t, len(readmes), len(examples))
	list, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, readme := range readmes {
		require.Contains(t, string(list), "]("+filepath.Dir(readme)+")")
		text, err := os.ReadFile(readme)
		require.NoError(t, err)
		require.Regexp(t, `(?m)^Seed: `, string(text), readme)
		require.Regexp(t, `stands? (for|in)`, string(text), readme)
	}
}

func TestEveryFolderIsAnExampleWithAReadme(t *testing.T) {
	programs, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	require.Len(t, programs, len(examples))
	for _, program := range programs {
		folder := filepath.Dir(program)
		require.Contains(t, examples, folder)
		require.FileExists(t, filepath.Join(folder, "README.md"))
	}
	sources, err := filepath.Glob("*/*.go")
	require.NoError(t, err)
	for _, file := range sources {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		require.LessOrEqual(t, bytes.Count(source, []byte("\n")), 120, "%s is to be read at a glance", file)
	}
}

// raceDetector reports whether this test runs under it; then the examples do, too.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
