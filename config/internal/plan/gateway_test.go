package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/plan"
)

// gateway is a Gateway of the workload app: gw with servers, each on a line as
// protocol, port and hosts, and what more its TLS says.
func gateway(name string, servers ...string) string {
	spec := "selector: {app: gw}\nservers:\n"
	for i, s := range servers {
		f := strings.SplitN(s, " ", 4)
		spec += fmt.Sprintf("- {port: {number: %s, name: p%d, protocol: %s}, hosts: [%s]", f[1], i, f[0], f[2])
		if len(f) > 3 {
			spec += ", tls: {" + f[3] + "}"
		}
		spec += "}\n"
	}
	return document("Gateway", name, spec)
}

// bound is a VirtualService of a gateway whose rules are prefixes, in order, each
// leading to a; the empty one takes all.
func bound(name, gateway, hosts string, prefixes ...string) string {
	spec := "gateways: ['" + gateway + "']\nhosts: [" + hosts + "]\nhttp:\n"
	for _, p := range prefixes {
		spec += "- name: '" + name + p + "'\n  route: [{destination: {host: " + hostA + "}}]\n"
		if p != "" {
			spec += "  match: [{uri: {prefix: " + p + "}}]\n"
		}
	}
	return virtualService(name, spec)
}

const simple = "mode: SIMPLE, credentialName: c"

// served are the servers of a gateway as lines: port, names, and each virtual host
// with its rules.
func served(t *testing.T, documents string) []string {
	t.Helper()
	p, err := plan.NewGateway(worldOf(t, services+documents), plan.Client{Labels: map[string]string{"app": "gw"}}, "")
	require.NoError(t, err)
	var lines []string
	for _, s := range p.Servers {
		line := fmt.Sprint(s.Port)
		if s.TLS != nil {
			line += " tls " + strings.Join(s.Names, ",")
		}
		for _, vh := range s.Hosts {
			line += " | " + strings.Join(vh.Domains, ",") + ":"
			for _, r := range vh.Rules {
				line += " " + r.Name
			}
			if vh.HTTPS {
				line += " redirect"
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func TestWhatAGatewayServes(t *testing.T) {
	for _, tt := range []struct {
		name      string
		documents string
		want      []string
	}{
		{"a host that both name",
			gateway("gw", "HTTP 80 a.com") + bound("vs", "gw", "a.com, b.com", ""),
			[]string{"80 | a.com: vs"}},
		{"the narrower of two hosts that overlap",
			gateway("gw", "HTTP 80 '*.com',x.org") + bound("vs", "gw", "a.com", "") + bound("all", "gw", "'*.org', '*.a.com'", ""),
			[]string{"80 | a.com: vs | *.a.com: all | x.org: all"}},
		{"a star on either side",
			gateway("gw", "HTTP 80 '*'", "HTTP 81 b.com") + bound("vs", "gw", "a.com", "") + bound("all", "gw", "'*'", ""),
			[]string{"80 | a.com: vs | *: all", "81 | b.com: all"}},
		{"hosts in another case",
			gateway("gw", "HTTP 80 A.com") + bound("vs", "gw", "a.COM", ""),
			[]string{"80 | a.com: vs"}},
		{"VirtualServices of the namespaces that a server names",
			gateway("gw", "HTTP 80 team/a.com,./b.com,'*/c.com'") +
				bound("vs", "gw", "a.com, b.com, c.com", "") + bound("team/vs", "default/gw", "a.com, b.com, c.com", ""),
			[]string{"80 | b.com: vs | c.com: vs team/vs | a.com: team/vs"}},
		{"a short host is that of a service beside the VirtualService",
			gateway("gw", "HTTP 80 '*'") + bound("vs", "gw", "a", ""),
			[]string{"80 | a.default.svc.cluster.local: vs"}},
		{"no VirtualService of another gateway or of the mesh",
			gateway("gw", "HTTP 80 '*'") + bound("vs", "other", "a.com", "") + virtualService("mesh", "hosts: [b.com]\n"+toB),
			[]string{"80"}},
		{"several VirtualServices of a host follow each other, what takes all at the end",
			gateway("gw", "HTTP 80 a.com") + bound("one", "gw", "a.com", "/x", "") + bound("two", "gw", "a.com", "/y", "/") + bound("three", "gw", "a.com", "/z"),
			[]string{"80 | a.com: one/x two/y three/z one two/"}},
		{"servers of a port share it, also those of several Gateways",
			gateway("gw", "HTTP 80 a.com", "HTTP2 80 b.com") + gateway("gx", "GRPC 80 c.com") +
				bound("vs", "gw", "a.com, b.com, c.com", "") + bound("vx", "gx", "c.com, a.com", ""),
			[]string{"80 | a.com: vs | b.com: vs | c.com: vx"}},
		{"each server with TLS has its own",
			gateway("gw", "HTTPS 443 a.com "+simple, "HTTPS 443 '*.b.com',ns/c.com "+simple) + bound("vs", "gw", "a.com, x.b.com", ""),
			[]string{"443 tls a.com | a.com: vs", "443 tls *.b.com,c.com | x.b.com: vs"}},
		{"TLS for a name that is taken is left out",
			gateway("gw", "HTTPS 443 a.com "+simple, "HTTPS 443 b.com,a.com "+simple) + bound("vs", "gw", "a.com, b.com", ""),
			[]string{"443 tls a.com | a.com: vs"}},
		{"the first server says whether a port has TLS",
			gateway("gw", "HTTP 80 a.com", "HTTPS 80 b.com "+simple, "HTTPS 443 b.com "+simple, "HTTP 443 a.com") + bound("vs", "gw", "a.com, b.com", ""),
			[]string{"80 | a.com: vs", "443 tls b.com | b.com: vs"}},
		{"httpsRedirect is for all hosts of the server, with a VirtualService or without",
			gateway("gw", "HTTP 80 '*.com',b.org httpsRedirect: true", "HTTP 80 c.org") + bound("vs", "gw", "a.com, c.org", ""),
			[]string{"80 | a.com: vs redirect | *.com: redirect | b.org: redirect | c.org: vs"}},
		{"but where it names a namespace, with one only",
			gateway("gw", "HTTP 80 default/a.com,./b.com,'*/c.com' httpsRedirect: true", "HTTP 80 '*.com'") + bound("vs", "gw", "a.com", ""),
			[]string{"80 | a.com: vs vs redirect | c.com: redirect"}},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, served(t, tt.documents)) })
	}
}

func TestMatchesOfGateways(t *testing.T) {
	const rules = `gateways: [gw, mesh]
hosts: [a.com]
http:
- {name: gateway, match: [{uri: {prefix: /1}, gateways: [gw]}], route: [{destination: {host: a}}]}
- {name: mesh, match: [{uri: {prefix: /2}, gateways: [mesh]}], route: [{destination: {host: a}}]}
- {name: port, match: [{uri: {prefix: /3}, port: 8080}], route: [{destination: {host: a}}]}
- {name: labels, match: [{uri: {prefix: /4}, sourceLabels: {app: gw}}], route: [{destination: {host: a}}]}
- {name: others, match: [{uri: {prefix: /5}, sourceLabels: {app: other}}], route: [{destination: {host: a}}]}
`
	require.Equal(t, []string{"80 | a.com: gateway labels", "8080 | a.com: gateway port labels", "9090"},
		served(t, gateway("gw", "HTTP 80 a.com", "HTTP 8080 a.com")+gateway("gx", "HTTP 9090 a.com")+virtualService("vs", rules)))
}

func TestAGatewayFindsTheOnlyPortOfAService(t *testing.T) {
	w := worldOf(t, serviceEntry("far.example.com", `resolution: STATIC
ports: [{number: 8080, name: http, protocol: HTTP}]
endpoints: [{address: 10.0.0.9}]`)+gateway("gw", "HTTP 80 '*'", "HTTPS 443 '*' "+simple)+virtualService("vs", "gateways: [gw]\nhosts: [a.com]\n"+toHost("far.example.com")))
	p, err := plan.NewGateway(w, plan.Client{Labels: map[string]string{"app": "gw"}}, "")
	require.NoError(t, err)
	require.Len(t, p.Clusters, 1)
	for c, target := range p.Clusters {
		require.Equal(t, "outbound|8080||far.example.com", c.String())
		require.Equal(t, "10.0.0.9:8080", target.Endpoints[0].Addr)
	}
	require.False(t, p.Servers[0].Hosts[0].Rules[0].TLS)
	require.True(t, p.Servers[1].Hosts[0].Rules[0].TLS)
}

func TestWhichGatewaysAWorkloadServes(t *testing.T) {
	w := worldOf(t, gateway("one", "HTTP 80 a.com")+gateway("far/two", "HTTP 81 a.com")+
		document("Gateway", "three", "servers: [{port: {number: 82, name: x, protocol: HTTP}, hosts: [a.com]}]")+
		document("Gateway", "four", "selector: {app: other}\nservers: [{port: {number: 83, name: x, protocol: HTTP}, hosts: [a.com]}]"))
	labels := map[string]string{"app": "gw", "more": "x"}
	for _, tt := range []struct {
		name   string
		labels map[string]string
		only   string
		want   []uint32
	}{
		{"those whose selector it fits, in any namespace", labels, "", []uint32{80, 81, 82}},
		{"without labels those that select all", nil, "", []uint32{82}},
		{"the one that is named", labels, "far/two", []uint32{81}},
		{"without labels the one that is named, whatever it selects", nil, "default/four", []uint32{83}},
		{"not one that does not select the labels", labels, "default/four", nil},
		{"not one that is not there", labels, "default/five", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := plan.NewGateway(w, plan.Client{Labels: tt.labels}, tt.only)
			if tt.want == nil {
				require.ErrorContains(t, err, "no such Gateway")
				return
			}
			require.NoError(t, err)
			var ports []uint32
			for _, s := range p.Servers {
				ports = append(ports, s.Port)
			}
			require.Equal(t, tt.want, slices.Sorted(slices.Values(ports)))
		})
	}
}

func TestWhatAGatewayDoesNotCarryOut(t *testing.T) {
	w := worldOf(t, gateway("gw", "HTTPS 443 a.com mode: PASSTHROUGH", "HTTPS 444 a.com mode: AUTO_PASSTHROUGH", "TCP 445 a.com", "TLS 446 a.com "+simple))
	_, err := plan.NewGateway(w, plan.Client{Labels: map[string]string{"app": "gw"}}, "")
	var fields []string
	for p := range mesh.Problems(err) {
		require.Equal(t, "gw", p.Source)
		fields = append(fields, p.Field+" "+fmt.Sprint(p.Value))
	}
	require.Equal(t, []string{"tls.mode PASSTHROUGH", "tls.mode AUTO_PASSTHROUGH", "port.protocol TCP", "port.protocol TLS"}, fields)
}
