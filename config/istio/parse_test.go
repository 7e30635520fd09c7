package istio

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/kube"
)

func parse(t *testing.T, doc string) *Config {
	t.Helper()
	c, err := Parse("mesh.yaml", strings.NewReader(doc))
	require.NoError(t, err)
	return c
}

func service(name, extra string) string {
	return "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: " + name + extra + "}\nspec: {hosts: [" + name + ".com]}\n"
}

func names(c *Config) (all []string) {
	for r := range c.Resources() {
		all = append(all, r.Namespace+"/"+r.Name)
	}
	return all
}

func TestASpecIsReadIntoIstiosTypes(t *testing.T) {
	c := parse(t, rule("")+`      weight: 90
    - destination: {host: reviews, subset: v2, port: {number: 9080}}
      weight: 1e1
    timeout: 1m30s
    retries: {attempts: 3, perTryTimeout: .5s, retryRemoteLocalities: true, retryIgnorePreviousHosts: null}
    match:
    - uri: {prefix: /v1}
      headers: {user-group: {exact: "beta"}}
    fault: {delay: {percentage: {value: 0.1}, fixedDelay: 5s}}
`)
	vs := c.VirtualServices()[0]
	require.Equal(t, "VirtualService shop/reviews", vs.Key())
	r := vs.Spec.Http[0]
	require.Equal(t, int32(90), r.Route[0].Weight)
	require.Equal(t, int32(10), r.Route[1].Weight)
	require.Equal(t, "v2", r.Route[1].Destination.Subset)
	require.Equal(t, uint32(9080), r.Route[1].Destination.Port.Number)
	require.Equal(t, 90*time.Second, r.Timeout.AsDuration())
	require.Equal(t, 500*time.Millisecond, r.Retries.PerTryTimeout.AsDuration())
	require.True(t, r.Retries.RetryRemoteLocalities.GetValue())
	require.Nil(t, r.Retries.RetryIgnorePreviousHosts)
	require.Equal(t, "/v1", r.Match[0].Uri.GetPrefix())
	require.Equal(t, "beta", r.Match[0].Headers["user-group"].GetExact())
	require.InDelta(t, 0.1, r.Fault.Delay.Percentage.Value, 0)
	require.Equal(t, 5*time.Second, r.Fault.Delay.GetFixedDelay().AsDuration())
}

func TestAllVersionsOfAKindAreOne(t *testing.T) {
	for _, version := range []string{"v1alpha3", "v1beta1", "v1"} {
		c := parse(t, strings.Replace(rule(""), "networking.istio.io/v1", "networking.istio.io/"+version, 1))
		require.Len(t, c.VirtualServices(), 1)
	}
}

func TestDocumentsAreReadApart(t *testing.T) {
	c, err := Parse("mesh.yaml", strings.NewReader(
		"\ufeff# a comment\r\n---\r\n"+service("a", "")+"--- # the second\n"+"kind: [\n"+"---\n---\n"+service("c", ", namespace: shop")))
	require.Equal(t, []string{"default/a", "shop/c"}, names(c), "a mistake in one document leaves the others readable")
	require.EqualError(t, err, "mesh.yaml:8: is no valid YAML: did not find expected node content")
}

func TestAListIsItsItems(t *testing.T) {
	c, err := Parse("mesh.yaml", strings.NewReader(`apiVersion: v1
kind: List
items:
- apiVersion: networking.istio.io/v1
  kind: ServiceEntry
  metadata: {name: a}
  spec: {hosts: [a.com]}
- apiVersion: networking.istio.io/v1
  kind: ServiceEntry
  metadata: {name: b}
  spec:
    hosts: [b.com]
    resolution: static
`))
	require.EqualError(t, err, `mesh.yaml:13: ServiceEntry default/b: spec.resolution: must be one of NONE, STATIC, DNS, DNS_ROUND_ROBIN or DYNAMIC_DNS; did you mean STATIC? (got "static")`)
	require.Equal(t, []string{"default/a"}, names(c))
	require.Equal(t, 7, c.ServiceEntries()[0].LineOf("spec.hosts[0]"))
}

func TestMergeKeysAndAliases(t *testing.T) {
	c := parse(t, `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [a]
  http:
  - name: first
    route: &route
    - destination: &to {host: a, subset: v1}
    retries: &retries {attempts: 2, perTryTimeout: 1s}
  - name: second
    match: [{uri: {prefix: /x}}]
    route: *route
    retries: {<<: *retries, attempts: 5}
  - route:
    - destination: {<<: [*to], subset: v2}
`)
	http := c.VirtualServices()[0].Spec.Http
	require.Equal(t, "v1", http[1].Route[0].Destination.Subset)
	require.Equal(t, int32(5), http[1].Retries.Attempts)
	require.Equal(t, time.Second, http[1].Retries.PerTryTimeout.AsDuration())
	require.Equal(t, "v2", http[2].Route[0].Destination.Subset)
	require.Equal(t, "a", http[2].Route[0].Destination.Host)
}

func TestAgeIsTheOrderOfObjects(t *testing.T) {
	c := parse(t, strings.Join([]string{
		service("young", `, creationTimestamp: "2026-02-01T00:00:00Z"`),
		service("b", `, creationTimestamp: "2026-01-01T00:00:00Z"`),
		service("a", `, creationTimestamp: "2026-01-01T00:00:00Z"`),
		service("first", ""),
		service("second", ", creationTimestamp: null"),
	}, "---\n"))
	require.Equal(t, []string{"default/first", "default/second", "default/a", "default/b", "default/young"}, names(c))
}

func TestALaterObjectReplacesAnEarlierOfTheSameName(t *testing.T) {
	c := parse(t, strings.Join([]string{
		service("a", ", labels: {v: one}"), service("b", ""), service("a", ", labels: {v: two}"), service("a", ", namespace: other"),
	}, "---\n"))
	require.Equal(t, []string{"default/a", "default/b", "other/a"}, names(c), "it keeps the place of the one it replaces")
	require.Equal(t, "two", c.ServiceEntries()[0].Labels["v"])
	var warnings []string
	for p := range c.Warnings() {
		warnings = append(warnings, p.Error())
	}
	require.Equal(t, []string{"mesh.yaml:11: ServiceEntry default/a: replaces the one of this name in mesh.yaml:1, as it would in a cluster"}, warnings)
}

func TestFoldersGlobsAndFiles(t *testing.T) {
	fsys := fstest.MapFS{
		"mesh/b.yaml":                {Data: []byte(service("b", ""))},
		"mesh/a.yml":                 {Data: []byte(service("a", ""))},
		"mesh/c/d.json":              {Data: []byte(`{"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "d"}, "spec": {"hosts": ["d.com"]}}`)},
		"mesh/readme.md":             {Data: []byte("# not for us\n---\n- x")},
		"mesh/..2026_01_31/old.yaml": {Data: []byte(service("old", ""))},
		"other.txt":                  {Data: []byte(service("named", ""))},
	}
	c, err := ParseFS(fsys, "mesh", "*.txt")
	require.NoError(t, err)
	require.Equal(t, []string{"default/a", "default/b", "default/d", "default/named"}, names(c))
	require.Equal(t, "mesh/c/d.json", c.ServiceEntries()[2].File)

	_, err = ParseFS(fsys, "nothing/*")
	require.EqualError(t, err, "nothing/*: cannot be read: file does not exist")
}

// A ConfigMap is mounted as links to files in a folder that is swapped whole.
func TestAMountedConfigMapIsReadOnce(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "..2026"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "..2026", "a.yaml"), []byte(service("a", "")), 0o600))
	require.NoError(t, os.Symlink("..2026", filepath.Join(dir, "..data")))
	require.NoError(t, os.Symlink(filepath.Join("..data", "a.yaml"), filepath.Join(dir, "a.yaml")))
	file := filepath.Join(t.TempDir(), "b.conf")
	require.NoError(t, os.WriteFile(file, []byte(service("b", "")), 0o600))

	c, err := ParseFiles(dir, file)
	require.NoError(t, err)
	require.Equal(t, []string{"default/a", "default/b"}, names(c))
	require.Equal(t, filepath.Join(dir, "a.yaml"), c.ServiceEntries()[0].File)
	require.Equal(t, file, c.ServiceEntries()[1].File)

	_, err = ParseFiles(filepath.Join(dir, "missing.yaml"))
	require.ErrorContains(t, err, "missing.yaml: cannot be read")
}

func TestEveryProblemOfEveryDocumentIsReported(t *testing.T) {
	_, err := Parse("mesh.yaml", strings.NewReader(
		rule("    timeout: 0s\n    retries: {attempts: -1}\n")+"---\n"+policy("    connectionPool: {}\n")+"---\n- x\n"))
	var lines []string
	for p := range mesh.Problems(err) {
		lines = append(lines, p.Source+": "+p.Field)
	}
	require.Equal(t, []string{
		"mesh.yaml:9: VirtualService shop/reviews: spec.http[0].timeout",
		"mesh.yaml:10: VirtualService shop/reviews: spec.http[0].retries.attempts",
		"mesh.yaml:18: DestinationRule shop/reviews: spec.trafficPolicy.connectionPool",
		"mesh.yaml:20: ",
	}, lines)
}

func TestLinesOfFields(t *testing.T) {
	vs := parse(t, "# a comment\n---\n"+rule("    match:\n    - headers:\n        x.y:\n          exact: a\n")).VirtualServices()[0]
	for field, line := range map[string]int{
		"":                                       3,
		"metadata.name":                          5,
		"spec.hosts[0]":                          7,
		"spec.http[0].route[0].destination.host": 10,
		"spec.http[0].match[0].headers[x.y]":     13,
		"spec.http[0].match[0].headers[x.y].exact":  14,
		"spec.http[0].timeout":                      9,
		"spec.http[7].timeout":                      8,
		"spec.http[0].match[0].headers[none].exact": 12,
	} {
		require.Equal(t, line, vs.LineOf(field), field)
	}
	require.Equal(t, "mesh.yaml:13: VirtualService shop/reviews", vs.Source("spec.http[0].match[0].headers[x.y]"))
}

func TestSettingsOfTheMesh(t *testing.T) {
	c := parse(t, "apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\nrootNamespace: mesh\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\ndefaultHttpRetryPolicy: {attempts: 0}\n")
	m := c.MeshConfig()
	require.Equal(t, "mesh", m.Spec.RootNamespace)
	require.Equal(t, 4, m.LineOf("outboundTrafficPolicy.mode"))
	require.Empty(t, names(c), "they are no object among others")

	require.Empty(t, parse(t, "").MeshConfig().Spec.RootNamespace)
}

func TestKubernetesKinds(t *testing.T) {
	c := parse(t, `apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080, targetPort: 8080}, {port: 81, targetPort: web}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: reviews-x, namespace: shop, labels: {kubernetes.io/service-name: reviews}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.0.1], zone: a}, {addresses: [10.0.0.2], conditions: {ready: false}}]
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Secret
metadata: {name: cert}
data: {tls.crt: aGVsbG8=}
stringData: {note: plain}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews, namespace: shop}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: reviews, version: v1}}
    spec: {serviceAccountName: r, containers: [{name: a, ports: [{containerPort: 8080}]}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
`)
	svc := objectsOf[*kube.Service](c)[0].Spec
	require.Equal(t, []kube.ServicePort{{Name: "http", Port: 9080, TargetPort: "8080"}, {Port: 81, TargetPort: "web"}}, svc.Ports)
	require.Equal(t, map[string]string{"app": "reviews"}, svc.Selector)
	slice := objectsOf[*kube.EndpointSlice](c)[0].Spec
	require.Equal(t, "reviews", slice.Service)
	require.Equal(t, []kube.EndpointPort{{Name: "http", Port: 8080}}, slice.Ports)
	require.Equal(t, "a", slice.Endpoints[0].Zone)
	require.False(t, *slice.Endpoints[1].Conditions.Ready)
	pod := objectsOf[*kube.Pod](c)[0].Spec
	require.Equal(t, map[string]string{"app": "reviews", "version": "v1"}, pod.Labels)
	require.Equal(t, "r", pod.ServiceAccount)
	secret := objectsOf[*kube.Secret](c)[0].Spec
	require.Equal(t, map[string][]byte{"tls.crt": []byte("hello"), "note": []byte("plain")}, secret.Data)
	var warnings []string
	for p := range c.Warnings() {
		warnings = append(warnings, p.Error())
	}
	require.Equal(t, []string{"mesh.yaml:34: CronJob default/nightly: is skipped: this kind is not read"}, warnings)
}

func TestAKindThatCannotBeCarriedOutIsSkippedOnRequest(t *testing.T) {
	const filter = "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a}\nspec: {anything: 1}\n"
	_, err := Parse("mesh.yaml", strings.NewReader(filter))
	require.Error(t, err)
	c, err := Options{SkipUnsupported: true}.Parse("mesh.yaml", strings.NewReader(filter))
	require.NoError(t, err)
	for p := range c.Warnings() {
		require.Contains(t, p.Error(), "EnvoyFilter default/a")
	}
}

func TestADeprecatedSettingSaysWhatIsInForce(t *testing.T) {
	c := parse(t, policy("    outlierDetection: {consecutiveErrors: 3}\n"))
	require.Equal(t, int32(3), c.DestinationRules()[0].Spec.TrafficPolicy.OutlierDetection.ConsecutiveErrors)
	var findings []*Finding
	for f := range c.Findings() {
		findings = append(findings, f)
	}
	require.Len(t, findings, 1)
	require.Equal(t, CodeWarned, findings[0].Code)
	require.Contains(t, findings[0].Error(), "consecutive5xxErrors is in force, with its default of 5")
}

func TestAYAsAKeyIsTheKeyTrue(t *testing.T) {
	c, err := Parse("mesh.yaml", strings.NewReader(rule("    match:\n    - headers:\n        y: {exact: a}\n        8080: {exact: b}\n")))
	require.NoError(t, err)
	headers := c.VirtualServices()[0].Spec.Http[0].Match[0].Headers
	require.Equal(t, "a", headers["true"].GetExact())
	require.Equal(t, "b", headers["8080"].GetExact())
}
