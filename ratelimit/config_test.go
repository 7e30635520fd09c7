package ratelimit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/ratelimit"
)

func TestAllProblemsAreReported(t *testing.T) {
	_, err := ratelimit.New(ratelimit.Config{
		Status: 399, StatusOnError: 600,
		Limits: []ratelimit.Limit{{}, {Actions: []ratelimit.Action{
			{},
			{Key: "a", Value: "b", From: match.PeerKey()},
			{Key: "a", Value: "b", Optional: true},
			{Key: "a", Value: "b", When: []match.Request{{Path: match.Regex("(")}}, Unless: []match.Request{{Path: match.Regex("(")}}},
		}}},
	})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{
		"ratelimit.Service", "ratelimit.Domain", "ratelimit.Status", "ratelimit.StatusOnError",
		"ratelimit.Limits[0].Actions",
		"ratelimit.Limits[1].Actions[0].Key", "ratelimit.Limits[1].Actions[0].Value",
		"ratelimit.Limits[1].Actions[1].Value", "ratelimit.Limits[1].Actions[2].Optional",
		"ratelimit.Limits[1].Actions[3].When.Path", "ratelimit.Limits[1].Actions[3].Unless.Path",
	}, fields)
	_, err = ratelimit.New(ratelimit.Config{})
	require.ErrorContains(t, err, "ratelimit.Limits")
}
