package conformance

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/smi"
	"github.com/sidecarless/mesh/internal/corpus"
)

func codeOf(err error) smi.Code {
	var first *smi.Error
	if errors.As(err, &first) {
		return first.Code
	}
	return ""
}

func TestSMIQuantities(t *testing.T) {
	type answer struct {
		Milli int64
		Err   smi.Code
	}
	for _, c := range corpus.Cases[struct {
		In               string
		Tolerant, Strict answer
	}](t, "smi/quantity") {
		milli, err := smi.ParseQuantity(c.In)
		require.Equal(t, c.Tolerant, answer{milli, codeOf(err)}, "%q", c.In)
		milli, err = smi.Options{Strict: true}.ParseQuantity(c.In)
		require.Equal(t, c.Strict, answer{milli, codeOf(err)}, "strict: %q", c.In)
	}
}

func TestSMITrafficSplits(t *testing.T) {
	type answer struct {
		Err        smi.Code
		Namespace  string
		Apex       string
		Backends   []smi.Backend
		TotalMilli int64 `json:"total_milli"`
		Matches    []string
	}
	played := func(o smi.Options, doc string) (a answer) {
		config, err := o.Parse("split.yaml", strings.NewReader(doc))
		if a.Err = codeOf(err); err != nil || len(config.Splits) == 0 {
			return a
		}
		s := config.Splits[0]
		a = answer{Namespace: s.Namespace, Apex: s.Service, Backends: s.Backends, TotalMilli: s.Total()}
		for _, m := range s.Matches {
			a.Matches = append(a.Matches, m.Group+"/"+m.Name)
		}
		return a
	}
	for _, c := range corpus.Cases[struct {
		Name, YAML       string
		Tolerant, Strict answer
	}](t, "smi/trafficsplit") {
		t.Run(c.Name, func(t *testing.T) {
			require.Equal(t, c.Tolerant, played(smi.Options{}, c.YAML))
			require.Equal(t, c.Strict, played(smi.Options{Strict: true}, c.YAML), "strict")
		})
	}
}

func TestSMIRouteGroups(t *testing.T) {
	for _, c := range corpus.Cases[struct {
		Name, YAML string
		Probes     []struct {
			Method, Path string
			Headers      map[string]oneOrMany
			Match        bool
		}
	}](t, "smi/httproutegroup") {
		t.Run(c.Name, func(t *testing.T) {
			config, err := smi.Parse("group.yaml", strings.NewReader(c.YAML))
			require.NoError(t, err)
			for _, p := range c.Probes {
				r := httptest.NewRequest(p.Method, p.Path, http.NoBody)
				for name, values := range p.Headers {
					for _, v := range values {
						r.Header.Add(name, v)
					}
				}
				fits := false
				for i := range config.Groups[0].Matches {
					fits = fits || config.Groups[0].Matches[i].Accepts(r)
				}
				require.Equal(t, p.Match, fits, "%s %s %v", p.Method, p.Path, p.Headers)
			}
		})
	}
}

// oneOrMany is a string or a list of them.
type oneOrMany []string

// UnmarshalJSON implements json.Unmarshaler.
func (v *oneOrMany) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(v))
	}
	*v = make(oneOrMany, 1)
	return json.Unmarshal(b, &(*v)[0])
}
