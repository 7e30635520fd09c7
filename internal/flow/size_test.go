package flow

import (
	"net/http"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Go's allocator has objects of 768 bytes and next of 896; eight bytes are its
// own. Every request pays for the difference.
func TestRecordAndCopyFillOneSizeClass(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(Flow{})+unsafe.Sizeof(http.Request{}), uintptr(768-8))
}
