package manifest

import (
	"fmt"
	"strings"
)

// Nearest is the one of all that a mistyped name most likely stands for, or "".
func Nearest(name string, all []string) string {
	best, least := "", max(1, len(name)/3)
	folded := fold(name)
	for _, candidate := range all {
		if len(folded) > 3 && strings.HasPrefix(fold(candidate), folded) {
			return candidate
		}
		if n := distance(folded, fold(candidate), least); n < least || n == least && best == "" {
			best, least = candidate, n
		}
	}
	return best
}

// fold leaves out what people get wrong first: case, underscores and dashes.
func fold(s string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
}

// distance counts the letters to add, drop, change or swap to make b of a. It
// stops counting beyond most.
func distance(a, b string, most int) int {
	if abs(len(a)-len(b)) > most || len(a) > 64 {
		return most + 1
	}
	before, last, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, last, next = last, next, before
	}
	return last[len(b)]
}

func abs(n int) int { return max(n, -n) }

// DidYouMean asks that in a message; it says nothing without a name.
func DidYouMean(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", name)
}

// List joins names for a sentence: "a, b or c".
func List(names []string, word string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " " + word + " " + names[last]
}
