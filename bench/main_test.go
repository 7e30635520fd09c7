package main

import (
	"os"
	"testing"

	"github.com/sidecarless/mesh/bench/internal/macro"
)

// The test's program is also the processes of whole systems.
func TestMain(m *testing.M) {
	if macro.Main(systems) {
		return
	}
	os.Exit(m.Run())
}
