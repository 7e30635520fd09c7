package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/sidecarless/mesh/config/istio"
)

// A report is one finding as `mesh analyze -o json` prints it.
type report struct {
	Code      string `json:"code"`
	Level     string `json:"level"`
	Message   string `json:"message"`
	Origin    string `json:"origin"`
	Reference string `json:"reference"`
}

func runAnalyze(_ context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("mesh analyze", flag.ContinueOnError)
	f.SetOutput(stderr)
	output := f.String("o", "text", "form of the findings: text or json")
	f.Usage = func() {
		fmt.Fprint(stderr, "usage: mesh analyze [-o text|json] PATH...\n\n"+
			"Says what is wrong with the resources in PATH, files, folders or -.\n"+
			"Exit status: 0 nothing at level error, 79 something, 64 wrong usage, 65 unreadable.\n\n")
		f.PrintDefaults()
	}
	if status, ok := parse(f, args); !ok {
		return status
	}
	if f.NArg() == 0 || *output != "text" && *output != "json" {
		f.Usage()
		return exitUsage
	}
	// What is wrong with documents is among the findings.
	config, _ := istio.ParseFiles(f.Args()...)
	reports, status := []report{}, exitOK
	for finding := range config.Findings() {
		reports = append(reports, reportOf(finding))
		switch {
		case finding.Code == istio.CodeUnreadable:
			status = exitUnreadable
		case finding.Level == istio.Error && status == exitOK:
			status = exitFindings
		}
	}
	if *output == "json" {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		if err := e.Encode(reports); err != nil {
			fmt.Fprintln(stderr, "mesh analyze:", err)
			return exitFailed
		}
		return status
	}
	for _, r := range reports {
		fmt.Fprintf(stdout, "%s [%s] (%s %s) %s\n", r.Level, r.Code, r.Origin, r.Reference, r.Message)
	}
	return status
}

func reportOf(f *istio.Finding) report {
	r := report{Code: f.Code, Level: levelName(f.Level), Message: f.Problem.Reason}
	if f.Field != "" {
		r.Message = f.Field + ": " + r.Message
	}
	if f.Resource != nil {
		r.Origin = f.Resource.Key()
		r.Reference = fmt.Sprintf("%s:%d", f.Resource.File, f.Line)
	} else {
		r.Reference = f.Source
	}
	return r
}

// levelName is a level as istioctl spells it.
func levelName(l istio.Level) string {
	if l == "" {
		return ""
	}
	return strings.ToUpper(string(l[:1])) + string(l[1:])
}
