package demo

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlausibleIsTheExactBinomialBound(t *testing.T) {
	for _, c := range []struct {
		name string
		k, n int
		p    float64
		want bool
	}{
		{"the mean", 100, 1000, 0.1, true},
		{"twenty heads in a row are one in 2^20, more than half of 1e-6", 20, 20, 0.5, true},
		{"twenty-one heads in a row are less than half of 1e-6", 21, 21, 0.5, false},
		{"no head in twenty-one", 0, 21, 0.5, false},
		{"never means never", 1, 1000, 0, false},
		{"never", 0, 1000, 0, true},
		{"always means always", 999, 1000, 1, false},
		{"always", 1000, 1000, 1, true},
		{"more than there were", 11, 10, 0.5, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, Plausible(c.k, c.n, c.p))
		})
	}
}

func TestCountsOfANameIncludeItsReplicas(t *testing.T) {
	c := Counts{"v1 a": 2, "v1 b": 3, "v10 a": 5}
	require.Equal(t, 5, c.Of("v1"))
	require.Equal(t, 0.5, c.Share("v1"))
	require.NoError(t, c.Expect("v1", 0.5))
	require.Error(t, c.Expect("v2", 1))
}

func TestWeightsAreReplacedInTheirOrder(t *testing.T) {
	const before = "- weight: 90\n- weight: 10m # ten\n- weight: 5\n"
	require.Equal(t, "- weight: 50\n- weight: 500m # ten\n- weight: 5\n", Weights(before, 50, "500m"))
}
