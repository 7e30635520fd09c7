package telemetry

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/corpus"
)

// nodes are fields as JSON has them; what is neither text nor an object is left out.
func nodes(object map[string]any) []node {
	fields := []node{}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		switch v := object[key].(type) {
		case string:
			fields = append(fields, node{key: key, text: v})
		case map[string]any:
			fields = append(fields, node{key: key, fields: nodes(v)})
		}
	}
	return fields
}

func TestMetadataIsAsSidecarsWriteIt(t *testing.T) {
	var recorded struct {
		Vectors []struct {
			Name, Base64 string
			Struct       map[string]any
		}
	}
	if !corpus.SharedJSON(t, "telemetry/peer-metadata-vectors.json", &recorded) {
		return
	}
	require.Len(t, recorded.Vectors, 5)
	for _, v := range recorded.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			wire, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(v.Base64, "="))
			require.NoError(t, err)
			got, err := parseStruct(wire, 0)
			require.NoError(t, err)
			require.ElementsMatch(t, nodes(v.Struct), sorted(got))
			if v.Name != "real-sidecar" { // whose keys are in another order
				require.Equal(t, v.Base64, base64.StdEncoding.EncodeToString(appendStruct(nil, nodes(v.Struct))))
			}
		})
	}
	real := recorded.Vectors[slices.IndexFunc(recorded.Vectors, func(v struct {
		Name, Base64 string
		Struct       map[string]any
	}) bool {
		return v.Name == "real-sidecar"
	})]
	w, err := decode(real.Base64)
	require.NoError(t, err)
	require.Equal(t, &mesh.Workload{
		Name: "productpage-v1", Namespace: "default", Instance: "productpage-v1-84975bc778-pxz2w", App: "productpage", Version: "v1",
		CanonicalService: "productpage-v1", CanonicalRevision: "version-1", Cluster: "client-cluster",
	}, w)
}

// sorted is fields in the order of their keys, all the way down.
func sorted(fields []node) []node {
	slices.SortFunc(fields, func(a, b node) int { return strings.Compare(a.key, b.key) })
	for i := range fields {
		if fields[i].fields != nil {
			sorted(fields[i].fields)
		}
	}
	return fields
}

func TestAWorkloadComesBackAsItWas(t *testing.T) {
	for _, w := range []mesh.Workload{
		{},
		{Name: "productpage-v1", Namespace: "default", CanonicalService: "", CanonicalRevision: ""},
		{
			Name: "ratings-v1", Namespace: "ns-é", Instance: strings.Repeat("w", 300), App: "ratings", Version: "v1",
			CanonicalService: "r", CanonicalRevision: "1", Cluster: "Kubernetes", Principal: "spiffe://cluster.local/ns/default/sa/ratings",
		},
	} {
		got, err := decode(encode(&w))
		require.NoError(t, err)
		require.Equal(t, &w, got)
	}
}

func TestWhatIsNoMetadataIsRefused(t *testing.T) {
	deep := []byte(nil)
	for range 20 {
		value := appendBytes(nil, tagStruct, string(deep))
		deep = appendBytes(nil, tagEntry, string(appendBytes(appendBytes(nil, tagKey, "a"), tagValue, string(value))))
	}
	for name, wire := range map[string]string{
		"a length beyond the end":      "\x0a\x7f",
		"a tag without a value":        "\x0a",
		"a number that does not end":   "\x08\xff\xff",
		"a group":                      "\x0b",
		"a fixed number cut short":     "\x09\x00",
		"Structs in too many Structs":  string(deep),
		"a number of eleven bytes":     "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"an entry that is not as told": "\x0a\x02\x0a\x05",
	} {
		_, err := parseStruct([]byte(wire), 0)
		require.ErrorIs(t, err, errMetadata, name)
	}
	_, err := decode("not base64")
	require.ErrorIs(t, err, errMetadata)
}

// What a peer says cannot break anything, and what was understood comes back.
func FuzzDecode(f *testing.F) {
	w := mesh.Workload{Name: "a", Namespace: "b", App: "c", Version: "d", Cluster: "e", CanonicalService: "f", CanonicalRevision: "g"}
	f.Add(encode(&w))
	f.Add("CgwKBkxBQkVMUxICKgA=")
	f.Add("Cg==")
	f.Fuzz(func(t *testing.T, value string) {
		w, err := decode(value)
		if err != nil {
			return
		}
		again, err := decode(encode(w))
		require.NoError(t, err)
		require.Equal(t, w, again)
	})
}
