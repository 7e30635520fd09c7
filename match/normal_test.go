package match

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each path that is plain has to come out of the long way as it went in, whatever
// is asked for.
func FuzzPlainPathsAreNormal(f *testing.F) {
	for _, path := range []string{"", "/", "/a/b", "//", "/a//b", "/.", "/a.b", "/a/.b", "/..", "/%41", "/a?b", "/a#", `/a\b`, "/\x00", "/ ", "/\x7f", "/é", "a", "/a/", "/~!$&'()*+,;=:@-_"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if !isNormal(path) {
			return
		}
		require.True(t, sendable(path))
		require.False(t, hasEscapedSlash(path))
		resolved, ok := resolve(path)
		require.True(t, ok)
		require.Equal(t, path, resolved)
		require.NotContains(t, path, "//")
	})
}
