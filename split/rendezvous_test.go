package split

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

const users = 100_000

// assignment gives every user his branch.
func assignment(t *testing.T, split string, branches ...Branch[int]) []string {
	t.Helper()
	s, err := New(branches...)
	require.NoError(t, err)
	got := make([]string, users)
	for i := range got {
		got[i] = s.PickKey(split, "user-"+strconv.Itoa(i)).Name
	}
	return got
}

func arm(name string, weight uint32) Branch[int] { return Branch[int]{Name: name, Weight: weight} }

// moves counts users by where they were and where they are, if that differs.
func moves(before, after []string) map[string]int {
	n := make(map[string]int)
	for i := range before {
		if before[i] != after[i] {
			n[before[i]+" to "+after[i]]++
			n["all"]++
		}
	}
	return n
}

func TestAGrowingCanaryKeepsItsUsers(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after []Branch[int]
	}{
		{"percent", []Branch[int]{arm("stable", 90), arm("canary", 10)}, []Branch[int]{arm("stable", 80), arm("canary", 20)}},
		{"other totals", []Branch[int]{arm("stable", 9), arm("canary", 1)}, []Branch[int]{arm("stable", 800), arm("canary", 200)}},
		{"other order", []Branch[int]{arm("stable", 90), arm("canary", 10)}, []Branch[int]{arm("canary", 20), arm("stable", 80)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := moves(assignment(t, "reviews", c.before...), assignment(t, "reviews", c.after...))
			require.Zero(t, m["canary to stable"])
			require.InDelta(t, 0.10, float64(m["all"])/users, 0.003)
		})
	}
}

func TestThreeArmsMoveLittle(t *testing.T) {
	before := assignment(t, "", arm("a", 10), arm("b", 10), arm("c", 80))
	after := assignment(t, "", arm("a", 20), arm("b", 10), arm("c", 70))
	m := moves(before, after)
	require.Zero(t, m["a to b"]+m["a to c"], "users left the arm that grew")
	require.Zero(t, m["b to c"], "users moved from the unchanged arm to one that shrank")
	require.LessOrEqual(t, float64(m["all"])/users, 0.115)
	require.LessOrEqual(t, float64(m["b to a"])/users, 0.012)
}

func TestNobodyMovesBetweenUnchangedBranches(t *testing.T) {
	before := assignment(t, "", arm("a", 5), arm("b", 30), arm("c", 30), arm("d", 35))
	for _, after := range [][]Branch[int]{
		{arm("a", 50), arm("b", 30), arm("c", 30), arm("d", 35)},
		{arm("a", 0), arm("b", 30), arm("c", 30), arm("d", 35)},
		{arm("b", 30), arm("c", 30), arm("d", 35)},
		{arm("new", 20), arm("a", 5), arm("b", 30), arm("c", 30), arm("d", 35)},
	} {
		m := moves(before, assignment(t, "", after...))
		require.NotZero(t, m["all"])
		for _, between := range []string{"b to c", "c to b", "b to d", "d to b", "c to d", "d to c"} {
			require.Zero(t, m[between], "%s after %v", between, after)
		}
	}
}

func TestKeysAreSharedOutByWeight(t *testing.T) {
	for _, weights := range [][]uint32{{999, 1}, {1, 999}, {50, 50}, {1, 2, 3, 4}, {100, 0, 100}} {
		got := make([]float64, len(weights))
		s := splitter(t, weights...)
		for i := range users {
			got[s.PickKey("ratings", "user-"+strconv.Itoa(i)).Value]++
		}
		requireShares(t, weights, got, users)
	}
}

func TestSplitsOfDifferentNamesDivideIndependently(t *testing.T) {
	one := assignment(t, "reviews", arm("stable", 90), arm("canary", 10))
	other := assignment(t, "ratings", arm("stable", 90), arm("canary", 10))
	both := 0
	for i := range one {
		if one[i] == "canary" && other[i] == "canary" {
			both++
		}
	}
	require.InDelta(t, 0.01*users, both, 5.8*math.Sqrt(0.01*users))
}

func TestADestinationListedTwiceHasBothShares(t *testing.T) {
	s, err := New(arm("v1", 20), arm("v1", 20), arm("v2", 60))
	require.NoError(t, err)
	n := 0.0
	for i := range users {
		if s.PickKey("", strconv.Itoa(i)).Name == "v1" {
			n++
		}
	}
	requireShares(t, []uint32{40, 60}, []float64{n, users - n}, users)
}

func TestTheChoiceIsTheDocumentedFormula(t *testing.T) {
	branches := []Branch[int]{arm("v1", 70), arm("v2", 25), arm("v3", 5)}
	s, err := New(branches...)
	require.NoError(t, err)
	for i := range 5_000 {
		key := "user-" + strconv.Itoa(i)
		var best string
		highest := math.Inf(-1)
		for _, b := range branches {
			h := xxhash.Sum64String("reviews\x00" + b.Name + "\x00" + key)
			u := (math.Floor(float64(h)/4096) + 0.5) / math.Exp2(52)
			if score := -float64(b.Weight) / math.Log(u); score > highest {
				best, highest = b.Name, score
			}
		}
		require.Equal(t, best, s.PickKey("reviews", key).Name, key)
	}
}

// TestTwoProcessesAgree runs itself in another process and compares every user's
// branch.
func TestTwoProcessesAgree(t *testing.T) {
	const child = "SPLIT_TEST_CHILD"
	branches := []Branch[int]{arm("stable", 70), arm("canary", 10), arm("other", 20)}
	here := fmt.Sprint(assignment(t, "reviews", branches...))
	if out := os.Getenv(child); out != "" {
		require.NoError(t, os.WriteFile(out, []byte(here), 0o600))
		return
	}
	out := t.TempDir() + "/assignment"
	cmd := exec.Command(os.Args[0], "-test.run=^TestTwoProcessesAgree$")
	cmd.Env = append(os.Environ(), child+"="+out)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Run(), "%s", &log)
	there, err := os.ReadFile(out)
	require.NoError(t, err)
	require.True(t, here == string(there), "another process sends users elsewhere")
}
