package manifest

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// documents reads a file and counts its bytes that were read.
func documents(t *testing.T, r io.Reader) (docs []Document, read int) {
	t.Helper()
	counted := &counter{r: r}
	Files{
		Document: func(d Document) { docs = append(docs, d) },
		Missing:  func(name, reason string) { t.Error(name, reason) },
	}.Read("a.yaml", counted)
	return docs, counted.n
}

type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

func TestWhatIsTooLargeIsNotReadToItsEnd(t *testing.T) {
	film := strings.Repeat("# padding to the size of a film\n", 10<<20/32)
	for _, c := range []struct {
		name, text string
		want       int // documents
		refused    bool
	}{
		{"a large document", film, 1, true},
		{"a large document behind a byte order mark", "\ufeff" + film, 1, true},
		{"a large document behind others", "a: b\n---\na: b\n---\n" + film, 3, true},
		{"others behind a large document", film + "---\na: b\n", 1, true},
		{"a document as large as may be", strings.Repeat("#", maxDocument), 1, false},
		{"one behind a byte order mark", "\ufeff" + strings.Repeat("#", maxDocument), 1, false},
		{"one byte more", strings.Repeat("#", maxDocument+1), 1, true},
		{"one byte more behind a byte order mark", "\ufeff" + strings.Repeat("#", maxDocument+1), 1, true},
		{"many documents", strings.Repeat(film[:1<<20]+"---\n", 10), 11, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			docs, read := documents(t, strings.NewReader(c.text))
			require.Len(t, docs, c.want)
			last := docs[len(docs)-1]
			require.Equal(t, c.refused, len(last.Text) > maxDocument)
			if c.refused {
				var told string
				last.Each(func(Object) { t.Error("it is read") }, func(_ int, reason string) { told = reason })
				require.Contains(t, told, "is larger than 3 MiB")
				require.LessOrEqual(t, read, 2*enough)
			}
		})
	}
	var missing string
	Files{Missing: func(_, reason string) { missing = reason }, Document: func(Document) {}}.
		Read("a.yaml", strings.NewReader(strings.Repeat(film[:1<<20]+"\n---\n", 65)))
	require.Equal(t, "cannot be read: is larger than 64 MiB", missing)
}

// However a file comes, it has the same documents.
func TestDocumentsOfAFileThatComesInPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{"\n", "-", "--", "---", "----", "\n---", " ", "a: b", "\r\n", "\t"}
	for range 2000 {
		var b strings.Builder
		for range r.IntN(20) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		want := Split("a.yaml", []byte(b.String()))
		docs, _ := documents(t, iotest.OneByteReader(strings.NewReader(b.String())))
		require.Equal(t, want, docs)

		last, seen := 0, 0
		for at := 0; at < b.Len(); {
			at += min(1+r.IntN(7), b.Len()-at)
			last, seen = lastDocument([]byte(b.String()[:at]), last, seen)
		}
		if atEnd := strings.HasSuffix(b.String(), "\n---"); !atEnd { // of which more is expected
			require.Equal(t, b.Len()-len(want[len(want)-1].Text), last, "%q", b.String())
		}
	}
}
