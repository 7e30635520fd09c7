package istio

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// TestVerdictsAreThoseRecorded compares with what Istio's admission check said
// of the documents of the end-to-end cases.
func TestVerdictsAreThoseRecorded(t *testing.T) {
	files, err := filepath.Glob("../../conformance/testdata/e2e/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			var recorded struct {
				Config   string
				Recorded struct {
					Validation []struct {
						Resource, Error, Warning string
						OK                       bool
						Sometimes                any
					}
				}
			}
			require.NoError(t, yaml.Unmarshal(data, &recorded))
			c, _ := Parse("case.yaml", strings.NewReader(recorded.Config))
			refused, warned := map[string]string{}, map[string]string{}
			for f := range c.Findings() {
				name := f.Source
				if f.Resource != nil {
					name = f.Resource.Kind + " " + f.Resource.Name
				}
				switch f.Code {
				case CodeRefused:
					refused[name] = f.Error()
				case CodeWarned, CodeUnreachable, CodeIneffective:
					warned[name] = f.Error()
				default:
					t.Log(f.Code, f.Error())
				}
			}
			for _, v := range recorded.Recorded.Validation {
				if v.Sometimes != nil { // Istio's own verdict depends on the order of a map
					delete(refused, v.Resource)
					continue
				}
				if why := schemaOnly[v.Resource]; why != "" {
					assert.Contains(t, refused[v.Resource], why)
					delete(refused, v.Resource)
					continue
				}
				assert.Equal(t, v.Error != "", refused[v.Resource] != "", "%s: Istio says %q, we say %q", v.Resource, v.Error, refused[v.Resource])
				assert.Equal(t, v.Warning != "", warned[v.Resource] != "", "%s: Istio warns %q, we %q", v.Resource, v.Warning, warned[v.Resource])
				delete(refused, v.Resource)
				delete(warned, v.Resource)
			}
			if len(recorded.Recorded.Validation) > 0 {
				require.Empty(t, refused)
				require.Empty(t, warned)
			}
		})
	}
}

// schemaOnly are the documents that the admission check alone, which is what
// was recorded, lets pass, and that the schema of the kind refuses.
var schemaOnly = map[string]string{
	"DestinationRule unknown-field":   "there is no such field",
	"DestinationRule simple-and-hash": "only one of simple and consistentHash may be given",
}
