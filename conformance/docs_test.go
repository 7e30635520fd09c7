package conformance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
)

// fieldByField is the page that tells users what becomes of each field.
const fieldByField = "../docs/coming-from-a-sidecar.md"

// The verdicts of that page.
const (
	asInIstio   = "as in Istio"
	differently = "differently"
	inPart      = "in part"
	notAtAll    = "not at all"
)

// verdicts are what the page says of the fields, by message and field.
func verdicts(t *testing.T) map[string]map[string]string {
	text, err := os.ReadFile(fieldByField)
	require.NoError(t, err)
	all := map[string]map[string]string{}
	message := ""
	name := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(string(text)) {
		if heading, ok := strings.CutPrefix(line, "### "); ok {
			message = strings.TrimSpace(heading)
			require.NotContains(t, all, message)
			all[message] = map[string]string{}
		}
		cells := strings.Split(line, "|")
		if message == "" || len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		verdict := strings.TrimSpace(cells[2])
		require.Contains(t, []string{asInIstio, differently, inPart, notAtAll}, verdict, line)
		if verdict != asInIstio {
			require.NotEmpty(t, strings.TrimSpace(cells[3]), "%s wants a note", line)
		}
		for _, m := range name.FindAllStringSubmatch(cells[1], -1) {
			require.NotContains(t, all[message], m[1], message)
			all[message][m[1]] = verdict
		}
	}
	return all
}

func TestThePageForThoseFromASidecarHasEveryField(t *testing.T) {
	said := verdicts(t)
	found := map[string]map[string]bool{}
	var walk func(protoreflect.MessageDescriptor)
	walk = func(d protoreflect.MessageDescriptor) {
		pkg := string(d.ParentFile().Package())
		name := strings.TrimPrefix(string(d.FullName()), pkg+".")
		if !strings.HasPrefix(pkg, "istio.") || name == "PolicyTargetReference" || found[name] != nil && name != "WorkloadSelector" {
			return
		}
		if found[name] == nil {
			found[name] = map[string]bool{}
		}
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			field := f.JSONName()
			require.Contains(t, said[name], field, "%s has no row on the page", f.FullName())
			found[name][field] = true
			if f.IsMap() {
				f = f.MapValue()
			}
			if f.Message() != nil && said[name][field] != notAtAll && name != "MeshConfig" {
				walk(f.Message())
			}
		}
	}
	for _, m := range []proto.Message{
		&networking.VirtualService{}, &networking.DestinationRule{}, &networking.ServiceEntry{}, &networking.WorkloadEntry{},
		&networking.Gateway{}, &security.PeerAuthentication{}, &security.AuthorizationPolicy{}, &security.RequestAuthentication{},
		&meshconfig.MeshConfig{},
	} {
		walk(m.ProtoReflect().Descriptor())
	}
	for message, fields := range said {
		for field := range fields {
			require.True(t, found[message][field], "the page has %s.%s, which Istio has not", message, field)
		}
	}
}

// What clients refuse is on the page as that, and nothing else of theirs is.
func TestThePageForThoseFromASidecarIsInStepWithWhatIsRefused(t *testing.T) {
	said := verdicts(t)
	refused := refusedFields(t)
	for message, fields := range refused {
		for field, always := range fields {
			want := inPart
			if always {
				want = notAtAll
			}
			require.Equal(t, want, said[message][field], "%s.%s", message, field)
		}
	}
	// Servers and gateways refuse in other places, and for MeshConfig the notes say
	// what has no effect.
	others := []string{"Server", "ServerTLSSettings", "MeshConfig", "AuthorizationPolicy", "RequestAuthentication", "JWTRule"}
	for message, fields := range said {
		for field, verdict := range fields {
			if _, known := refused[message][field]; !known && !slices.Contains(others, message) {
				require.Contains(t, []string{asInIstio, differently}, verdict, "%s.%s is not refused", message, field)
			}
		}
	}
}

// refusedFields reads the list in unsupported.go: by message and field, whether it
// is refused always or only at times.
func refusedFields(t *testing.T) map[string]map[string]bool {
	file, err := parser.ParseFile(token.NewFileSet(), "../config/istio/unsupported.go", nil, 0)
	require.NoError(t, err)
	all := map[string]map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "notCarriedOut" {
			return true
		}
		for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
			entry := e.(*ast.KeyValueExpr)
			message := literal(t, entry.Key)
			message = regexp.MustCompile(`^istio\.\w+\.\w+\.`).ReplaceAllString(message, "")
			all[message] = map[string]bool{}
			for _, f := range entry.Value.(*ast.CompositeLit).Elts {
				field, always := "", true
				for _, part := range f.(*ast.CompositeLit).Elts {
					kv := part.(*ast.KeyValueExpr)
					switch kv.Key.(*ast.Ident).Name {
					case "field":
						field = literal(t, kv.Value)
					case "when":
						always = false
					}
				}
				all[message][field] = always
			}
		}
		return false
	})
	require.NotEmpty(t, all)
	return all
}

func literal(t *testing.T, e ast.Expr) string {
	s, err := strconv.Unquote(e.(*ast.BasicLit).Value)
	require.NoError(t, err)
	return s
}
