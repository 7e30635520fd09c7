package mtls_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/mtls"
)

func TestParseID(t *testing.T) {
	id, err := mtls.ParseID("spiffe://cluster.local/ns/shop/sa/front-end_2.x")
	require.NoError(t, err)
	require.Equal(t, mtls.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "front-end_2.x"}, id)
	require.Equal(t, "cluster.local/ns/shop/sa/front-end_2.x", id.Principal())
	for _, bad := range []string{
		"", "spiffe://", "spiffe://a", "spiffe://a/", "https://a/ns/b/sa/c", "SPIFFE://a/ns/b/sa/c", "a/ns/b/sa/c",
		"spiffe://A/ns/b/sa/c", "spiffe://a:1/ns/b/sa/c", "spiffe://u@a/ns/b/sa/c", "spiffe:///ns/b/sa/c",
		"spiffe://a/ns/b/sa/", "spiffe://a/ns//sa/c", "spiffe://a/ns/b/sa/c/", "spiffe://a/ns/b/sa/c/d", "spiffe://a//ns/b/sa/c",
		"spiffe://a/NS/b/sa/c", "spiffe://a/ns/b/sa/..", "spiffe://a/ns/./sa/c", "spiffe://a/ns/b%2Fc/sa/d", "spiffe://a/ns/b/sa/c?d",
		"spiffe://a/ns/b/sa/c#d", "spiffe://a/ns/b/sa/c*", "spiffe://a/ns/b/sa/c ", "spiffe://a/ns/b/sa/\u00e9", "spiffe://a/ns/b/sa/c,d", "spiffe://a/ns/b/sa/c;d",
		"spiffe://" + strings.Repeat("a", 256) + "/ns/b/sa/c", "spiffe://a/ns/b/sa/" + strings.Repeat("c", 2048),
	} {
		_, err := mtls.ParseID(bad)
		require.Error(t, err, bad)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("spiffe://cluster.local/ns/shop/sa/frontend")
	f.Add("spiffe://a/ns/ns/sa/sa")
	f.Add("spiffe://a/ns//sa/")
	f.Fuzz(func(t *testing.T, uri string) {
		id, err := mtls.ParseID(uri)
		if err != nil {
			require.Zero(t, id)
			return
		}
		// What was read says what was written, and nothing in it can be taken for
		// anything else.
		require.Equal(t, uri, id.String())
		for _, part := range []string{id.TrustDomain, id.Namespace, id.ServiceAccount} {
			require.NotEmpty(t, part)
			require.False(t, strings.ContainsAny(part, "/*%?#@:;,=\"\\ \x00"), part)
		}
	})
}
