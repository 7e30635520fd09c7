package macro

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A process is the numbers of some processes that are measured as one.
type process []int

// used is the CPU time that they have used so far, of all their threads. The sum
// over threads is exact to the nanosecond; what the kernel tells of processes comes
// in hundredths of a second.
func (p process) used() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range p {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(tasks) == 0 {
			return 0, fmt.Errorf("process %d has ended, or the kernel does not tell its CPU time", pid)
		}
		for _, task := range tasks {
			text, err := os.ReadFile(task)
			if err != nil {
				continue // the thread has ended meanwhile
			}
			ns, _, _ := strings.Cut(string(text), " ")
			n, err := strconv.ParseInt(ns, 10, 64)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n)
		}
	}
	return sum, nil
}

// resident is the memory that they have in use, in bytes. What several share is
// counted for each.
func (p process) resident() (int64, error) {
	var pages int64
	for _, pid := range p {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(text))
		if len(fields) < 2 {
			return 0, fmt.Errorf("process %d: no memory is told", pid)
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, err
		}
		pages += n
	}
	return pages * int64(os.Getpagesize()), nil
}

// family is a process and all that it has started.
func family(pid int) process {
	all := process{pid}
	parents := map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// The name, in parentheses, may contain anything.
		id, _, _ := strings.Cut(string(text), " ")
		rest := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+1:])
		child, err1 := strconv.Atoi(id)
		parent, err2 := strconv.Atoi(rest[1])
		if err1 == nil && err2 == nil {
			parents[child] = parent
		}
	}
	for i := 0; i < len(all); i++ {
		for child, parent := range parents {
			if parent == all[i] && !slices.Contains(all, child) {
				all = append(all, child)
			}
		}
	}
	return all
}
