package smi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/corpus"
)

// A splitCase is a manifest with what both readings make of it.
type splitCase struct {
	Name, YAML       string
	Tolerant, Strict splitAnswer
}

type splitAnswer struct {
	Err        Code
	Namespace  string
	Apex       string
	Backends   []Backend
	TotalMilli int64    `json:"total_milli"`
	AllZero    string   `json:"all_zero"`
	Matches    []string // as group/match
}

func splitAnswerOf(c *Config, err error) splitAnswer {
	if err != nil {
		var first *Error
		errors.As(err, &first)
		return splitAnswer{Err: first.Code}
	}
	if len(c.Splits) == 0 {
		return splitAnswer{}
	}
	s := c.Splits[0]
	a := splitAnswer{Namespace: s.Namespace, Apex: s.Service, Backends: s.Backends, TotalMilli: s.Total()}
	for _, m := range s.Matches {
		a.Matches = append(a.Matches, m.Group+"/"+m.Name)
	}
	if s.Total() == 0 {
		a.AllZero = "root"
	}
	return a
}

func TestSplitsAreReadAsRecorded(t *testing.T) {
	for _, c := range corpus.Cases[splitCase](t, "smi/trafficsplit") {
		t.Run(c.Name, func(t *testing.T) {
			require.Equal(t, c.Tolerant, splitAnswerOf(Parse("split.yaml", strings.NewReader(c.YAML))))
			require.Equal(t, c.Strict, splitAnswerOf(Options{Strict: true}.Parse("split.yaml", strings.NewReader(c.YAML))), "strict")
		})
	}
}

// A groupCase is a group with requests and whether it takes them.
type groupCase struct {
	Name, YAML string
	Probes     []struct {
		Method, Path string
		Headers      map[string]values
		Match        bool
	}
}

// values are one or many.
type values []string

// UnmarshalJSON implements json.Unmarshaler.
func (v *values) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(v))
	}
	*v = make(values, 1)
	return json.Unmarshal(b, &(*v)[0])
}

func TestGroupsTakeTheRequestsRecorded(t *testing.T) {
	for _, c := range corpus.Cases[groupCase](t, "smi/httproutegroup") {
		t.Run(c.Name, func(t *testing.T) {
			config, err := Parse("group.yaml", strings.NewReader(c.YAML))
			require.NoError(t, err)
			for _, p := range c.Probes {
				r := httptest.NewRequest(p.Method, p.Path, http.NoBody)
				for name, values := range p.Headers {
					for _, v := range values {
						r.Header.Add(name, v)
					}
				}
				fits := false
				for _, m := range config.Groups[0].Matches {
					fits = fits || m.Accepts(r)
				}
				require.Equal(t, p.Match, fits, "%s %s %v", p.Method, p.Path, p.Headers)
			}
		})
	}
}
