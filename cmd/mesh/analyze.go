package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh/config/analyze"
	"github.com/sidecarless/mesh/config/istio"
)

// A report is one finding as `mesh analyze -o json` prints it.
type report struct {
	Code      string `json:"code" yaml:"code"`
	Level     string `json:"level" yaml:"level"`
	Message   string `json:"message" yaml:"message"`
	Origin    string `json:"origin" yaml:"origin"`       // kind, namespace and name
	Reference string `json:"reference" yaml:"reference"` // file and line
}

func runAnalyze(_ context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("mesh analyze", flag.ContinueOnError)
	f.SetOutput(stderr)
	output := f.String("o", "text", "`form` of the findings: text, json or yaml")
	f.Usage = func() {
		fmt.Fprint(stderr, "usage: mesh analyze [-o text|json|yaml] PATH...\n\n"+
			"Says what is wrong with the resources in PATH, a file, a folder or -, or will not do what\n"+
			"it seems to.\n"+
			"Exit status: 0 nothing at level error, 79 something, 64 wrong usage, 65 unreadable.\n\n")
		f.PrintDefaults()
	}
	if status, ok := parse(f, args); !ok {
		return status
	}
	write := writers[*output]
	if f.NArg() == 0 || write == nil {
		f.Usage()
		return exitUsage
	}
	reports, status := []report{}, exitOK
	for _, finding := range analyze.Files(f.Args()...) {
		reports = append(reports, reportOf(finding))
		switch {
		case finding.Code == istio.CodeUnreadable:
			status = exitUnreadable
		case finding.Level == istio.Error && status == exitOK:
			status = exitFindings
		}
	}
	if err := write(stdout, reports); err != nil {
		fmt.Fprintln(stderr, "mesh analyze:", err)
		return exitFailed
	}
	return status
}

// writers are the forms that findings can have.
var writers = map[string]func(io.Writer, []report) error{
	"text": func(w io.Writer, reports []report) error {
		for _, r := range reports {
			if _, err := fmt.Fprintf(w, "%s [%s] (%s %s) %s\n", coloured(w, r.Level), r.Code, r.Origin, r.Reference, r.Message); err != nil {
				return err
			}
		}
		return nil
	},
	"json": func(w io.Writer, reports []report) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(reports)
	},
	"yaml": func(w io.Writer, reports []report) error {
		e := yaml.NewEncoder(w)
		e.SetIndent(2)
		if err := e.Encode(reports); err != nil {
			return err
		}
		return e.Close()
	},
}

func reportOf(f analyze.Finding) report {
	r := report{Code: f.Code, Level: levelName(f.Level), Message: f.Message, Origin: f.Resource, Reference: f.File}
	if f.Line > 0 {
		r.Reference = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	if f.Advice != "" {
		r.Message = strings.TrimSuffix(r.Message, ".") + ". " + f.Advice
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
