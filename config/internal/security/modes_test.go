package security_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/security"
	"github.com/sidecarless/mesh/mtls"
)

func TestTheNarrowestPeerAuthenticationCounts(t *testing.T) {
	pa := func(namespace, name, spec string) string {
		return document("PeerAuthentication", namespace, name, spec)
	}
	strict, permissive, disable := "mtls: {mode: STRICT}", "mtls: {mode: PERMISSIVE}", "mtls: {mode: DISABLE}"
	mine := "\nselector: {matchLabels: {app: a}}"
	for _, c := range []struct {
		name      string
		documents string
		mode      mtls.Mode // of port 80
		of8080    mtls.Mode
	}{
		{"nothing is permissive", "", mtls.Permissive, mtls.Permissive},
		{"the mesh", pa("istio-system", "m", strict), mtls.Strict, mtls.Strict},
		{"the namespace before the mesh", pa("istio-system", "m", strict) + pa("shop", "n", permissive), mtls.Permissive, mtls.Permissive},
		{"the workload before the namespace", pa("shop", "n", strict) + pa("shop", "w", disable+mine), mtls.Disabled, mtls.Disabled},
		{"the port before the workload", pa("shop", "w", strict+mine+"\nportLevelMtls: {8080: {mode: DISABLE}}"), mtls.Strict, mtls.Disabled},
		{"a port that says nothing", pa("shop", "w", strict+mine+"\nportLevelMtls: {8080: {mode: UNSET}}"), mtls.Strict, mtls.Strict},
		{"a port of a workload that says nothing", pa("shop", "n", strict) + pa("shop", "w", "portLevelMtls: {8080: {mode: PERMISSIVE}}"+mine), mtls.Strict, mtls.Permissive},
		{"a mode that is not set is inherited", pa("istio-system", "m", strict) + pa("shop", "n", "mtls: {mode: UNSET}"), mtls.Strict, mtls.Strict},
		{"another namespace", pa("other", "n", strict), mtls.Permissive, mtls.Permissive},
		{"other labels", pa("shop", "w", strict+"\nselector: {matchLabels: {app: b}}"), mtls.Permissive, mtls.Permissive},
		{"a selector in the root namespace is passed over", pa("istio-system", "m", strict+mine), mtls.Permissive, mtls.Permissive},
		{"an empty selector is none", pa("shop", "n", strict+"\nselector: {}"), mtls.Strict, mtls.Strict},
		{"the oldest of a namespace", pa("shop", "n1", strict) + pa("shop", "n2", disable), mtls.Strict, mtls.Strict},
		{"the oldest of a workload, though it says nothing", pa("shop", "w1", "mtls: {mode: UNSET}"+mine) + pa("shop", "w2", strict+mine), mtls.Permissive, mtls.Permissive},
		{"another root namespace", pa("roots", "m", strict) + "apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\nrootNamespace: roots\n", mtls.Strict, mtls.Strict},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := worldOf(t, c.documents).ModesOf(security.Workload{Namespace: "shop", Labels: map[string]string{"app": "a", "version": "v1"}})
			require.Equal(t, c.mode, m.At(80))
			require.Equal(t, c.of8080, m.At(8080))
		})
	}
}
