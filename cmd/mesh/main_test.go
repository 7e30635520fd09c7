package main

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// asMesh makes the test binary the command itself, for tests that need a
// process of their own.
const asMesh = "MESH_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asMesh) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// invoke runs the command and gives its status and what it wrote.
func invoke(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(context.Background(), args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		status int
		says   string // on stdout for status 0 of help, else on stderr
	}{
		{nil, exitUsage, "usage: mesh COMMAND"},
		{[]string{"fly"}, exitUsage, `unknown command "fly"`},
		{[]string{"analyze"}, exitUsage, "usage: mesh analyze"},
		{[]string{"analyze", "-h"}, exitOK, "usage: mesh analyze"},
		{[]string{"analyze", "-o", "xml", "x.yaml"}, exitUsage, "usage: mesh analyze"},
		{[]string{"analyze", "-wrong"}, exitUsage, "-wrong"},
		{[]string{"proxy"}, exitUsage, "-f is needed"},
		{[]string{"proxy", "-h"}, exitOK, "usage: mesh proxy"},
		{[]string{"proxy", "x.yaml"}, exitUsage, "-f is needed"},
		{[]string{"proxy", "-f", "x.yaml", "-port", "70000"}, exitUsage, "-port is at most 65535"},
		{[]string{"proxy", "-f", "x.yaml", "-port", "http"}, exitUsage, "invalid value"},
		{[]string{"proxy", "-f", "x.yaml", "-labels", "app"}, exitUsage, `"app" is not k=v`},
		{[]string{"proxy", "-f", "x.yaml", "y.yaml", "-mode", "sideways"}, exitUsage, "-mode sideways"},
		{[]string{"proxy", "-f", "x.yaml", "y.yaml", "-wrong"}, exitUsage, "-wrong"},
	} {
		status, _, stderr := invoke(t, tt.args...)
		require.Equal(t, tt.status, status, "%v", tt.args)
		require.Contains(t, stderr, tt.says, "%v", tt.args)
	}
	for _, help := range []string{"help", "-h", "--help"} {
		status, stdout, _ := invoke(t, help)
		require.Equal(t, exitOK, status)
		require.Contains(t, stdout, "proxy")
		require.Contains(t, stdout, "analyze")
	}
}

func TestProxiesThatDoNotStart(t *testing.T) {
	good := file(t, "good.yaml", virtualService("reviews"))
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"no file", []string{"-f", "/no/such/file"}, "/no/such/file"},
		{"bad resources", []string{"-f", file(t, "bad.yaml", "kind: VirtualService\napiVersion: networking.istio.io/v1\nmetadata: {name: x}\nspec: {hosts: [a], htp: []}\n")}, "htp"},
		{"splits, which are another client's", []string{"-f", file(t, "split.yaml", "apiVersion: split.smi-spec.io/v1alpha2\nkind: TrafficSplit\nmetadata: {name: x}\nspec: {service: a, backends: [{service: b, weight: 1}]}\n")}, "TrafficSplit default/x: is skipped: package config/smi carries it out"},
		{"routes, which are another client's", []string{"-f", file(t, "route.yaml", "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: x}\nspec: {}\n")}, "package config/gatewayapi carries it out"},
		{"an address that is none", []string{"-f", good, "-listen", "nowhere"}, "nowhere"},
		{"a format that is none", []string{"-f", good, "-access-log", "-", "-access-log-format", "%NO%"}, "%NO%"},
		{"a log that cannot be", []string{"-f", good, "-access-log", "/no/such/folder/log"}, "/no/such/folder/log"},
		{"a locality that is none", []string{"-f", good, "-locality", "/zone"}, "locality"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, _, stderr := invoke(t, append([]string{"proxy", "-listen", "127.0.0.1:0"}, tt.args...)...)
			require.Equal(t, exitFailed, status)
			require.Contains(t, stderr, tt.says)
		})
	}
}
