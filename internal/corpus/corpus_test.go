package corpus_test

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/corpus"
)

func TestRecordingsAreFoundFromAnywhereInTheRepository(t *testing.T) {
	type named struct{ ID string }
	here := corpus.Cases[named](t, "envoy/mirror")
	t.Chdir("../..")
	require.Equal(t, here, corpus.Cases[named](t, "envoy/mirror"))
}

// A failing is a test that notes how it ends.
type failing struct {
	testing.TB
	failed, said bool
}

func (f *failing) Helper()                   {}
func (f *failing) Logf(string, ...any)       { f.said = true }
func (f *failing) Fatalf(_ string, _ ...any) { f.failed = true; runtime.Goexit() }

func TestWhatBelongsToOthersIsNeededInCIAlone(t *testing.T) {
	ask := func(ci string) *failing {
		require.NoError(t, os.Setenv("CI", ci))
		f := &failing{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			require.Empty(t, corpus.Shared(f, "nobody/*.json"))
		}()
		<-done
		return f
	}
	t.Setenv("CI", "") // and put back afterwards
	require.Equal(t, &failing{said: true}, ask(""))
	require.Equal(t, &failing{failed: true}, ask("true"))
}
