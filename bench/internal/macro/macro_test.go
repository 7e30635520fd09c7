package macro

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestFiguresOfRounds(t *testing.T) {
	r := &Result{Requests: 40, canaries: 10}
	for _, x := range []float64{50, 10, 40, 20, 30} {
		r.Rounds = append(r.Rounds, Round{CPU: x, Proxy: x / 2, RPS: x, OpenCPU: x, P50: x, P99: 2 * x, ProxyRSS: x, ClientRSS: x})
	}
	r.settle()
	for name, got := range map[string][2]float64{
		"lower quartile of CPU time":         {r.CPU, 20},
		"of it proxies":                      {r.Proxy, 10},
		"upper quartile of throughput":       {r.RPS, 40},
		"lower quartile at a fixed rate":     {r.OpenCPU, 20},
		"median of medians":                  {r.P50, 30},
		"median of the 99th percentiles":     {r.P99, 60},
		"most memory of proxies":             {r.ProxyRSS, 50},
		"most memory of the caller":          {r.ClientRSS, 50},
		"share of the canary":                {r.Canary, 0.25},
		"lower quartile between two figures": {Quantile([]float64{10, 20, 30, 50}, 0.25), 17.5},
		"of nothing":                         {Quantile(nil, 0.25), 0},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %v, not %v", name, got[0], got[1])
		}
	}
}

// A machine that is slower for a round is so for both.
func TestRatiosAreOfTheSameRound(t *testing.T) {
	a := &Result{Rounds: []Round{{CPU: 10}, {CPU: 100}, {CPU: 33}}}
	b := &Result{Rounds: []Round{{CPU: 20}, {CPU: 200}, {CPU: 30}}}
	if got := a.Ratio(b, CPU); got != 0.5 {
		t.Errorf("%v, not 0.5", got)
	}
	if got := a.Ratio(b, RPS); got != 0 {
		t.Errorf("%v of what was not measured", got)
	}
}

func TestNamesOfShapes(t *testing.T) {
	for shape, want := range map[Shape]string{
		Base: "", {HTTP2: true, Size: 512}: "/h2", {TLS: true, Size: 512}: "/tls",
		{HTTP2: true, TLS: true, Size: 0}: "/h2/tls/body=0", {Size: 64 << 10}: "/body=65536",
	} {
		if got := shape.String(); got != want {
			t.Errorf("%+v is %q, not %q", shape, got, want)
		}
	}
}

// What the kernel tells of a process that computes agrees with the clock.
func TestProcessesAreMeasured(t *testing.T) {
	cmd := exec.Command("sh", "-c", "while :; do :; done & while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all process
	defer func() {
		for _, pid := range all {
			p, err := os.FindProcess(pid)
			if err == nil {
				p.Kill()
			}
		}
		cmd.Wait()
	}()
	for limit := time.Now().Add(10 * time.Second); len(all) < 2 && time.Now().Before(limit); time.Sleep(time.Millisecond) {
		all = family(cmd.Process.Pid)
	}
	if len(all) != 2 || !slices.Contains(all, cmd.Process.Pid) {
		t.Fatalf("the family of %d is %v", cmd.Process.Pid, all)
	}
	before, err := all.used()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for {
		now, err := all.used()
		if err != nil {
			t.Fatal(err)
		}
		if took := now - before; took > 20*time.Millisecond {
			if passed := time.Since(start); took > 2*passed+20*time.Millisecond {
				t.Errorf("two processes used %v in %v", took, passed)
			}
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatal("they used no time")
		}
	}
	if bytes, err := all.resident(); err != nil || bytes < 64<<10 || bytes > 1<<30 {
		t.Errorf("%d bytes, %v", bytes, err)
	}
}

func TestAProcessThatHasEndedIsAnError(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	p := process{cmd.Process.Pid}
	if _, err := p.used(); err == nil {
		t.Error("CPU time of nobody")
	}
	if _, err := p.resident(); err == nil {
		t.Error("memory of nobody")
	}
}
