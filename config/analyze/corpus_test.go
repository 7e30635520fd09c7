package analyze

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/corpus"
)

// codes are what each analyzer of Istio's says; a case runs one analyzer, and
// we run all.
var codes = map[string][]string{
	"auth.AuthorizationPoliciesAnalyzer":                   {"IST0127", "IST0101 AuthorizationPolicy"},
	"deprecation.DeprecationAnalyzer":                      {"IST0002"},
	"destinationrule.CaCertificateAnalyzer":                {"IST0128", "IST0129"},
	"destinationrule.SubsetSelectPodAnalyzer":              {"IST0173", "IST0174"},
	"gateway.CertificateAnalyzer":                          {"IST0138"},
	"gateway.ConflictingGatewayAnalyzer":                   {"IST0145"},
	"gateway.IngressGatewayPortAnalyzer":                   {"IST0101 Gateway", "IST0162"},
	"schema.ValidationAnalyzer.VirtualService":             {"IST0106", "IST0130", "IST0131", "IST0133"},
	"serviceentry.Analyzer":                                {"IST0134"},
	"serviceentry.ConflictingServiceEntryProtocolAnalyzer": {"IST0177"},
	"virtualservice.ConflictingMeshGatewayHostsAnalyzer":   {"IST0109"},
	"virtualservice.DestinationHostAnalyzer":               {"IST0101 VirtualService host", "IST0112", "IST0140"},
	"virtualservice.DestinationRuleAnalyzer":               {"IST0101 VirtualService subset"},
	"virtualservice.GatewayAnalyzer":                       {"IST0101 VirtualService gateway", "IST0132", "IST0165"},
	"virtualservice.JWTClaimRouteAnalyzer":                 {"IST0149"},
}

// kindOf tells findings with the code IST0101 apart, which several analyzers
// use.
func kindOf(code, resource, what string) string {
	if code != "IST0101" {
		return code
	}
	kind, _, _ := strings.Cut(resource, " ")
	code += " " + kind
	if kind == "VirtualService" {
		switch {
		case strings.Contains(what, "subset"):
			code += " subset"
		case strings.Contains(what, "gateway"):
			code += " gateway"
		default:
			code += " host"
		}
	}
	return code
}

func TestMessagesAreThoseOfIstio(t *testing.T) {
	var all struct {
		Cases []struct {
			Name, Analyzer, MeshConfig string
			Inputs                     []string
			Messages                   []struct {
				Code, Level, Resource string
				Params                []string
			}
		}
	}
	const folder = "istio/analyze/"
	if !corpus.SharedJSON(t, folder+"cases.json", &all) {
		return
	}
	for _, tc := range all.Cases {
		t.Run(tc.Analyzer+"/"+tc.Name, func(t *testing.T) {
			paths := make([]string, 0, len(tc.Inputs)+1)
			for _, input := range tc.Inputs {
				paths = append(paths, corpus.Shared(t, folder+input)...)
			}
			if tc.MeshConfig != "" {
				settings, err := os.ReadFile(corpus.Shared(t, folder+tc.MeshConfig)[0])
				require.NoError(t, err)
				file := filepath.Join(t.TempDir(), "mesh.yaml")
				require.NoError(t, os.WriteFile(file, append([]byte("apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\n"), settings...), 0o600))
				paths = append(paths, file)
			}
			of, known := codes[tc.Analyzer]
			require.True(t, known)
			var want, got []string
			for _, m := range tc.Messages {
				want = append(want, kindOf(m.Code, m.Resource, strings.Join(m.Params, " "))+" "+m.Resource+" "+m.Level)
			}
			for _, f := range Files(paths...) {
				what, _, _ := strings.Cut(f.Message, "not found")
				if kind := kindOf(f.Code, f.Resource, what); slices.Contains(of, kind) {
					got = append(got, kind+" "+f.Resource+" "+string(f.Level))
				}
				require.Positive(t, f.Line)
			}
			slices.Sort(want)
			slices.Sort(got)
			require.Equal(t, want, got)
		})
	}
}
