package main

import (
	"os/exec"
	"path"
	"regexp"
	"testing"
)

// leaves are the small functions on the way of each request that the compiler must
// put into their callers, by their packages. One that grows too large for that costs
// every request a call.
var leaves = map[string][]string{
	".":               {"Fraction.Hit"},
	"./internal/flow": {"Of", "(*Flow).Value", "(*Flow).Attempts", "(*Flow).Last", "(*Try).Begun"},
	"./match":         {"(*Matcher).Match", "(*test).accepts", "(*test).begins"},
	"./split":         {"(*Splitter).Pick", "(*table).pick"},
	"./fault":         {"hit", "(*Decision).aborts", "(*Decision).bends"},
	"./timeout":       {"(*settings).total", "bound.atMost"},
	"./retry":         {"(*Budget).requested", "(*Budget).began", "(*Budget).done"},
	"./breaker":       {"(*Limits).TakeRequest", "(*Limits).GiveRequest"},
	"./lb": {
		"(*Host).Active", "(*Host).begin", "(*Host).end", "(*Host).usable", "Lease.Host",
		"(*snapshot).choose", "(*ring).find", "below",
	},
}

func TestHotLeavesAreInlined(t *testing.T) {
	args := []string{"build", "-gcflags=-m"}
	for pkg := range leaves {
		args = append(args, pkg)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput() // from the build cache, the second time
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	inlined := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([^\s:]+):\d+:\d+: can inline (.+)$`).FindAllStringSubmatch(string(out), -1) {
		name := regexp.MustCompile(`\[.*\]`).ReplaceAllString(m[2], "") // for which types
		inlined[path.Dir(m[1])+" "+name] = true
	}
	for pkg, names := range leaves {
		for _, name := range names {
			if !inlined[path.Clean(pkg)+" "+name] {
				t.Errorf("%s: %s is not inlined", pkg, name)
			}
		}
	}
}
