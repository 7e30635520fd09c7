package hostile_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh/config/internal/hostile"
	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestTheBombIsYAMLThatGrows(t *testing.T) {
	var fields map[string]yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(hostile.Bomb("[x]")), &fields))
	require.Len(t, fields, 30)
	last := fields["a29"]
	require.Len(t, last.Content, 9)
	require.Len(t, last.Content[0].Alias.Content, 9)
}
