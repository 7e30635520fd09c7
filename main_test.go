package mesh_test

import (
	"io"
	"log"
	"testing"

	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// quiet is the error log of servers that are meant to fail.
var quiet = log.New(io.Discard, "", 0)
