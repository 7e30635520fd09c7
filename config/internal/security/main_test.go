package security_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/config/internal/security"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// worldOf reads documents. What is wrong with them fails the test.
func worldOf(t *testing.T, documents string) *security.World {
	t.Helper()
	c, err := istio.Parse("test.yaml", strings.NewReader(documents))
	require.NoError(t, err)
	return &security.World{
		PeerAuthentications:    objects(c.PeerAuthentications()),
		RequestAuthentications: objects(c.RequestAuthentications()),
		AuthorizationPolicies:  objects(c.AuthorizationPolicies()),
		Mesh:                   c.MeshConfig().Spec,
	}
}

func objects[T any](from []istio.Object[T]) []plan.Object[T] {
	var all []plan.Object[T]
	for _, o := range from {
		all = append(all, plan.Object[T]{Namespace: o.Namespace, Name: o.Name, Annotations: o.Annotations, Spec: o.Spec, Source: o.Name})
	}
	return all
}

// document is an object of Istio's security group.
func document(kind, namespace, name, spec string) string {
	spec = strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ")
	return "apiVersion: security.istio.io/v1\nkind: " + kind + "\nmetadata: {name: '" + name + "', namespace: " + namespace + "}\nspec:\n  " + spec + "\n---\n"
}

// at8080 is a request as a server on that port got it.
func at8080(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 8080}))
}
