package lb

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestFewHostsHaveCacheLinesOfTheirOwn(t *testing.T) {
	require.EqualValues(t, 64, unsafe.Sizeof(loneHost{}))
	for h := range balanced(t, Config{Endpoints: manyEndpoints(100)}).Hosts() {
		require.Zero(t, uintptr(unsafe.Pointer(h))%64, "address of a host in its cache line")
	}
}
