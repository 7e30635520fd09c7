package kube_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh/config/internal/kube"
	"github.com/sidecarless/mesh/config/internal/manifest"
)

// read reads an object with one of the functions of this package and returns what
// was rejected.
func read[T any](t *testing.T, text string, with func(*kube.Object) *T) (spec *T, rejected []string) {
	t.Helper()
	doc := manifest.Document{File: "mesh.yaml", Text: []byte(text)}
	root, err := doc.Parse()
	require.NoError(t, err)
	reject := func(p *manifest.Path, _ *yaml.Node, reason string) {
		rejected = append(rejected, p.String()+": "+reason)
	}
	o := &kube.Object{Reject: reject}
	o.Fields = manifest.NewReader(doc, reject).Mapping(nil, root)
	return with(o), rejected
}

func TestReadyEndpointsAreThoseWithAnAddressThatSayNothingElse(t *testing.T) {
	s, rejected := read(t, `
endpoints:
- {addresses: [10.0.0.1, 10.0.0.101], targetRef: {kind: Pod, name: a-1}}
- {addresses: [10.0.0.2], conditions: {ready: false}}
- {addresses: [10.0.0.3], conditions: {ready: true}, targetRef: {kind: Node, name: n}}
- {addresses: []}
`, kube.ReadEndpointSlice)
	require.Empty(t, rejected)
	ready := map[string]string{}
	for address, e := range s.Ready() {
		ready[address] = e.Pod()
	}
	require.Equal(t, map[string]string{"10.0.0.1": "a-1", "10.0.0.3": ""}, ready)
}

func TestWhatHasNoPlaceIsPassedOver(t *testing.T) {
	s, rejected := read(t, "spec: {clusterIP: None, sessionAffinity: ClientIP, ports: [{port: 80, targetPort: 8080}]}", kube.ReadService)
	require.Empty(t, rejected)
	require.Equal(t, &kube.Service{ClusterIP: kube.Headless, Ports: []kube.ServicePort{{Port: 80, TargetPort: "8080"}}}, s)
}

func TestWhatCannotBeReadIsRejectedAtItsPlace(t *testing.T) {
	_, rejected := read(t, "spec: {ports: [{port: -1}]}", kube.ReadService)
	require.Equal(t, []string{"spec: cannot be read: cannot unmarshal !!int `-1` into uint32"}, rejected)
	_, rejected = read(t, "data: {cert: '?'}", kube.ReadSecret)
	require.Equal(t, []string{"data[cert]: must be base64"}, rejected)
}

func TestThePodOfADeploymentIsItsTemplate(t *testing.T) {
	p, rejected := read(t, `
spec:
  template:
    metadata: {labels: {app: a}, annotations: {x: y}}
    spec: {serviceAccountName: account, nodeName: n, containers: [{name: istio-proxy, image: auto}]}
`, kube.ReadWorkload)
	require.Empty(t, rejected)
	require.Equal(t, &kube.Pod{
		Labels: map[string]string{"app": "a"}, Annotations: map[string]string{"x": "y"}, ServiceAccount: "account", NodeName: "n", Sidecar: true,
	}, p)
}
