package istio

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/corpus"
)

// A verdict is what Istio's own check and the schema of the kind said.
type verdict struct {
	Name      string
	Focus     string
	Metadata  map[string]any
	Spec      map[string]any
	Valid     bool
	Webhook   bool
	Schema    bool
	Warning   bool
	Why       []string
	Warnings  []string
	SchemaWhy any
}

// document is the case as a document.
func (v verdict) document(t *testing.T, kind string) string {
	group := "networking.istio.io/v1"
	if strings.HasSuffix(kind, "Authentication") || kind == "AuthorizationPolicy" {
		group = "security.istio.io/v1"
	}
	metadata := map[string]any{"name": "case"}
	for k, value := range v.Metadata {
		metadata[k] = value
	}
	b, err := json.MarshalIndent(map[string]any{"apiVersion": group, "kind": kind, "metadata": metadata, "spec": v.Spec}, "", "  ")
	require.NoError(t, err)
	return string(b)
}

func TestVerdictsAreThoseOfIstio(t *testing.T) {
	for _, file := range corpus.Shared(t, "istio/validation/*.json") {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var all struct {
			Kind  string
			Cases []verdict
		}
		require.NoError(t, json.Unmarshal(data, &all))
		for _, v := range all.Cases {
			t.Run(all.Kind+"/"+v.Name, func(t *testing.T) {
				doc := v.document(t, all.Kind)
				c, err := Parse("case.yaml", strings.NewReader(doc))
				refused, warned := false, false
				var said []string
				for f := range c.Findings() {
					refused = refused || f.Code == CodeRefused
					warned = warned || f.Code == CodeWarned || f.Code == CodeUnreachable || f.Code == CodeIneffective
					said = append(said, f.Code+" "+f.Error())
				}
				if refused == v.Valid || warned != v.Warning {
					t.Errorf("refused %v, want %v (%v %v); warned %v, want %v (%v)\nfindings:\n%s\n%s",
						refused, !v.Valid, v.Why, v.SchemaWhy, warned, v.Warning, v.Warnings, strings.Join(said, "\n"), doc)
				}
				if refused {
					require.Error(t, err)
				}
			})
		}
	}
}
