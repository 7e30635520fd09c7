package conformance

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tally is how often something was seen.
type tally map[string]int

// recorded is how often it was seen in each play.
type recorded map[string][]int

// many judges requests that were repeated: by how often each answer came, each
// server was reached, each number of attempts was needed.
func (j *judge) many(want map[string]any, outcomes []*outcome) {
	n, runs := len(outcomes), max(1, j.c.Recorded.Runs)
	answers, statuses, hits, copies, attempts, paths, replies := tally{}, tally{}, tally{}, tally{}, tally{}, tally{}, tally{}
	var sequence []any
	var gaps [][]time.Duration
	least, most := outcomes[0].Elapsed, outcomes[0].Elapsed
	retries := 0
	for _, o := range outcomes {
		answer, status := fmt.Sprint(o.Status, " ", o.servedBy()), strconv.Itoa(o.Status)
		if o.Err != nil {
			answer, status = "error", "error"
		}
		answers[answer]++
		statuses[status]++
		sequence = append(sequence, answer)
		if o.servedBy() == "-" {
			replies[fmt.Sprintf("%d %q", o.Status, o.Body)]++
		}
		main, mirrored := j.c.split(o.Arrivals)
		for _, a := range mirrored {
			copies[a.Server]++
		}
		var names []string
		for i, a := range main {
			hits[a.Server]++
			names = append(names, a.Server)
			if i > 0 {
				if len(gaps) < i {
					gaps = append(gaps, nil)
				}
				gaps[i-1] = append(gaps[i-1], a.At.Sub(main[i-1].At))
			}
		}
		paths[strings.Join(names, " ")]++
		attempts[strconv.Itoa(len(main))]++
		retries = max(retries, len(main)-1)
		least, most = min(least, o.Elapsed), max(most, o.Elapsed)
	}
	all := readCounts(want["answers"], runs)
	j.counts("answers by status", all.by(firstWord, runs), statuses, n)
	if j.strict { // otherwise who comes first decides
		j.counts("answers", all.by(twoWords, runs), answers, n)
	}
	j.counts("arrivals", readCounts(want["hits"], runs), hits, 0)
	j.counts("copies", readCounts(want["mirrored"], runs), copies, n)
	perRequest := readCounts(want["attemptsPerRequest"], runs)
	if len(perRequest) == 0 {
		perRequest = recorded{"1": slices.Repeat([]int{n}, runs)}
	}
	j.counts("attempts per request", perRequest, attempts, n)
	if w := readCounts(want["attemptPaths"], runs); len(w) > 0 {
		j.counts("servers of a request's attempts", w, paths, n)
	}
	j.counts("replies of the proxy", readCounts(want["localReplies"], runs).by(withoutDetails, runs), replies, n)
	if w, ok := want["sequence"].([]any); ok && !slices.Equal(w, sequence) {
		j.say("sequence", w, sequence)
	}
	j.gaps(want["gapsMs"], gaps)
	j.time(want["ms"], least, most, retries)
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

// twoWords leaves the flags out of "200 v1 -".
func twoWords(s string) string {
	f := strings.Fields(s)
	if f[0] == "error" {
		return "error"
	}
	return f[0] + " " + f[1]
}

// withoutDetails makes `503 no_healthy_upstream "no healthy upstream"` what a
// client sees of it.
func withoutDetails(s string) string {
	if i := strings.Index(s, ` "`); i >= 0 {
		return firstWord(s) + s[i:]
	}
	return s
}

// readCounts reads counts, of which those that differed are lists.
func readCounts(v any, runs int) recorded {
	c := recorded{}
	m, _ := v.(map[string]any)
	for key, value := range m {
		if list, ok := value.([]any); ok {
			for _, n := range list {
				c[key] = append(c[key], int(milliseconds(n)/time.Millisecond))
			}
			continue
		}
		c[key] = slices.Repeat([]int{int(milliseconds(value) / time.Millisecond)}, runs)
	}
	return c
}

// by adds up what f gives one name.
func (c recorded) by(f func(string) string, runs int) recorded {
	sums := recorded{}
	for key, list := range c {
		name := f(key)
		if sums[name] == nil {
			sums[name] = make([]int, runs)
		}
		for i, n := range list {
			sums[name][i] += n
		}
	}
	return sums
}

// unlikely is the probability below which two counts are not of one share.
const unlikely = 1e-6

// counts compares tallies of n trials with the recorded ones (0: as many as there
// were). Where all plays agreed they are equal; else the record is a sample, too.
func (j *judge) counts(what string, want recorded, got tally, n int) {
	keys := map[string]bool{}
	settled := true
	for key, list := range want {
		keys[key] = true
		settled = settled && slices.Min(list) == slices.Max(list)
	}
	total, trials := 0, 0
	for key, count := range got {
		keys[key] = true
		total += count
	}
	for _, list := range want {
		for _, k := range list {
			trials += k
		}
	}
	runs := max(1, j.c.Recorded.Runs)
	if n > 0 {
		total, trials = n, n*runs
	}
	for key := range keys {
		list := want[key]
		if list == nil {
			list = make([]int, runs)
		}
		if !j.agrees(list, got[key], total, trials, settled) {
			j.say(what+" of "+key, list, got[key])
		}
	}
}

func (j *judge) agrees(want []int, got, n, trials int, settled bool) bool {
	low, high, sum := slices.Min(want), slices.Max(want), 0
	for _, w := range want {
		sum += w
	}
	likely := sameShare(got, n, sum, trials) >= unlikely
	switch {
	case low == high && got == low:
		return true
	case !j.strict: // who comes first depends on the machine
		return got >= low-max(1, high-low) && got <= high+max(1, high-low) || likely
	case settled && !j.chancy: // a turn by weight may begin anywhere
		return n >= 100 && got-low >= -1 && got-low <= 1
	case high == 0 && !j.chancy:
		return false
	}
	// Or drawn once a play, when any of the counts may come again.
	return likely || slices.Contains(want, got)
}

// sameShare is the two-sided probability that a of n and b of m are drawn with
// one share, or anything less likely (Fisher's exact test).
func sameShare(a, n, b, m int) float64 {
	if a > n || b > m {
		return 0
	}
	choose := func(n, k int) float64 {
		x, _ := math.Lgamma(float64(n + 1))
		y, _ := math.Lgamma(float64(k + 1))
		z, _ := math.Lgamma(float64(n - k + 1))
		return x - y - z
	}
	hits := a + b
	chance := func(x int) float64 { return choose(n, x) + choose(m, hits-x) - choose(n+m, hits) }
	seen, p := chance(a), 0.0
	for x := max(0, hits-m); x <= min(n, hits); x++ {
		if c := chance(x); c <= seen+1e-9 {
			p += math.Exp(c)
		}
	}
	return min(1, p)
}

// gaps compares the times between attempts: the mean within what chance and a
// busy machine allow.
func (j *judge) gaps(want any, got [][]time.Duration) {
	w, _ := want.(map[string]any)
	for key, v := range w {
		l, _ := v.([]any)
		i, _ := strconv.Atoi(key)
		if len(l) != 3 || i > len(got) || len(got[i-1]) == 0 {
			continue
		}
		low, middle, high := milliseconds(l[0]), milliseconds(l[1]), milliseconds(l[2])
		var sum time.Duration
		for _, d := range got[i-1] {
			sum += d
		}
		k := float64(len(got[i-1]))
		mean := sum / time.Duration(len(got[i-1]))
		spread := time.Duration(5 * float64(high-low) / math.Sqrt(12) * math.Sqrt(1/k+1/(3*k)))
		if off := (mean - middle).Abs(); off > spread+30*time.Millisecond {
			j.say("mean wait before attempt "+strconv.Itoa(i+1), middle, mean)
		}
	}
}
