// Package leak lets a test binary fail when goroutines outlive its tests.
package leak

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Main runs the tests of a package and fails when goroutines of this module or
// of net/http are left. Call it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := wait(time.Minute); left != "" {
			fmt.Fprintf(os.Stderr, "goroutines left after all tests:\n\n%s\n", left)
			code = 1
		}
	}
	os.Exit(code)
}

// wait gives goroutines that are about to end the time to do so.
func wait(most time.Duration) string {
	deadline := time.Now().Add(most)
	for pause := time.Millisecond; ; pause *= 2 {
		left := remaining()
		if left == "" || time.Now().After(deadline) {
			return left
		}
		time.Sleep(pause)
	}
}

// remaining are the stacks of goroutines that tests can have left behind: all
// but this one, the runtime's and the testing package's.
func remaining() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left []string
	for i, stack := range strings.Split(string(buf), "\n\n") {
		if i == 0 || strings.Contains(stack, "testing.(*T).Run") || strings.Contains(stack, "runtime.goexit0") ||
			strings.Contains(stack, "os/signal.") || strings.Contains(stack, "testing.runFuzz") ||
			strings.Contains(stack, "internal/fuzz.") || strings.Contains(stack, "runtime/trace.") {
			continue
		}
		left = append(left, stack)
	}
	return strings.Join(left, "\n\n")
}
