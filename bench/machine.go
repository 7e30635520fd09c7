package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// A machine is where figures come from.
type machine struct {
	Go   string `json:"go"`
	OS   string `json:"os"`
	CPU  string `json:"cpu"`
	CPUs int    `json:"cpus"`
}

func thisMachine() machine {
	return machine{Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH, CPU: cpuModel(), CPUs: runtime.NumCPU()}
}

// String is the machine in words.
func (m machine) String() string {
	return fmt.Sprintf("%s, %s, %d x %s", m.Go, m.OS, m.CPUs, m.CPU)
}

// cpuModel is what Linux says of the first CPU.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}
