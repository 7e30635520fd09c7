package analyze

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Resources that do what their authors think have nothing said about them: those of
// the examples, of which two show what is to be told.
func TestNothingIsSaidOfResourcesThatAreRight(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/mesh.yaml")
	require.NoError(t, err)
	require.Greater(t, len(files), 10)
	told := map[string][]string{
		"circuit-breaker": {"IST0133"},  // consecutiveErrors, which does nothing
		"traffic-split":   {"MESH0002"}, // a TrafficSplit, which is for config/smi
	}
	for _, file := range files {
		example := filepath.Base(filepath.Dir(file))
		var codes []string
		for _, f := range Files(file) {
			codes = append(codes, f.Code)
		}
		require.Equal(t, told[example], codes, example)
	}
}
