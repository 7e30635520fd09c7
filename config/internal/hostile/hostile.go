// Package hostile tries readers of documents with ones that want to cost much.
package hostile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sidecarless/mesh/internal/costtest"
)

// Film is ten megabytes of comments.
func Film() string { return strings.Repeat("# padding to the size of a film\n", 10<<20/32) }

// Bomb are fields a0 to a29 of which each has the one before nine times, by aliases;
// the first is as given.
func Bomb(first string) string {
	var b strings.Builder
	b.WriteString("a0: &a0 " + first + "\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	return b.String()
}

// most is how many honest documents of some 200 KiB a hostile one may cost: what its
// aliases make of it is bounded, and what is too large is not read.
const most = 5

// Test fails if one of the documents is not refused, costs more than a few honest
// ones, or makes an error that is long.
func Test(t *testing.T, documents map[string]string, honest string, parse func(string) error) {
	for name, doc := range documents {
		t.Run(name, func(t *testing.T) {
			err := parse(doc)
			if err == nil {
				t.Fatal("it is not refused")
			}
			if n := len(err.Error()); n >= 1<<20 {
				t.Errorf("the error has %d bytes", n)
			}
			costtest.AtMost(t, most, func() { parse(doc) }, func() { parse(honest) }) //nolint:errcheck // only their time counts
		})
	}
}

// Benchmark is what it costs to refuse them: some milliseconds, and what YAML itself
// costs where a document is large.
func Benchmark(b *testing.B, documents map[string]string, parse func(string) error) {
	for name, doc := range documents {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				parse(doc) //nolint:errcheck // it is refused
			}
		})
	}
}
