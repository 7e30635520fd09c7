package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/config/requestauth"
	"github.com/sidecarless/mesh/jwt"
	"github.com/sidecarless/mesh/mtls"
)

// explainFlags are the flags of `mesh explain`.
type explainFlags struct {
	workloadFlags
	gateway  string
	identity string
	port     uint
	header   headerFlag
	output   string
}

func runExplain(_ context.Context, args []string, stdout, stderr io.Writer) int {
	e := explainFlags{header: headerFlag{}}
	f := flag.NewFlagSet("mesh explain", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, "usage: mesh explain -f PATH [-f PATH...] [flags] [METHOD] URL\n\n"+
			"Says what the sidecar of a caller would do with a request, without sending it: which rule is\n"+
			"for it, why the earlier ones are not, where it would go, and under which settings, each with\n"+
			"the file and line it comes from. With -mode inbound it says whom the sidecar of a server lets\n"+
			"in, and why, with -mode gateway what a gateway would do.\n\n"+
			"  mesh explain -f mesh.yaml -H 'x-user: beta' http://reviews.shop/v2\n"+
			"  mesh explain -f mesh.yaml -mode inbound -namespace shop -labels app=reviews \\\n"+
			"    -identity spiffe://cluster.local/ns/shop/sa/frontend POST http://reviews:9080/cart\n"+
			"  mesh explain -f mesh.yaml -mode gateway -gateway shop/edge https://shop.example.com/\n\n"+
			"Exit status: 0 explained, 64 wrong usage, 65 the resources cannot be used.\n\n")
		f.PrintDefaults()
	}
	e.workloadFlags.register(f)
	f.StringVar(&e.gateway, "gateway", "", "gateway: the only Gateway to look at, `namespace/name`")
	f.StringVar(&e.identity, "identity", "", "inbound, gateway: who calls over mutual TLS, `spiffe://...`; empty is plain text")
	f.UintVar(&e.port, "port", 0, "port that the request is for, of the service, or inbound of the workload; 0 is that of the URL")
	f.Var(&e.header, "H", "a header of the request, `'name: value'`; may be given again")
	f.StringVar(&e.output, "o", "text", "`form` of the answer: text or json")
	if status, ok := parse(f, args); !ok {
		return status
	}
	r, err := e.request(f.Args())
	if err == nil && len(e.files) == 0 {
		err = fmt.Errorf("-f is needed")
	}
	if err == nil && e.output != "text" && e.output != "json" {
		err = fmt.Errorf("-o %s: there are text and json", e.output)
	}
	ask := map[string]func(subject, *http.Request) (fmt.Stringer, error){
		"outbound": e.outbound, "inbound": e.inbound, "gateway": e.edge,
	}[e.mode]
	if err == nil && ask == nil {
		err = fmt.Errorf("-mode %s: there are outbound, inbound and gateway", e.mode)
	}
	if err != nil {
		fmt.Fprintf(stderr, "mesh explain: %v\n\n", err)
		f.Usage()
		return exitUsage
	}
	explanation, err := e.explain(r, ask)
	if err != nil {
		fmt.Fprintln(stderr, "mesh explain:", err)
		return exitUnreadable
	}
	if e.output == "text" {
		_, err = fmt.Fprint(stdout, explanation)
	} else {
		encoder := json.NewEncoder(stdout)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(explanation)
	}
	if err != nil {
		fmt.Fprintln(stderr, "mesh explain:", err)
		return exitFailed
	}
	return exitOK
}

// request is the request that the arguments describe: [METHOD] URL.
func (e *explainFlags) request(args []string) (*http.Request, error) {
	method := http.MethodGet
	if len(args) == 2 {
		method, args = args[0], args[1:]
	}
	if len(args) != 1 {
		return nil, fmt.Errorf("the arguments are [METHOD] URL")
	}
	text := args[0]
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case u.Hostname() == "":
		return nil, fmt.Errorf("the URL %s has no host", args[0])
	case e.port > 65535:
		return nil, fmt.Errorf("-port is at most 65535")
	}
	r, err := http.NewRequest(method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header = http.Header(e.header)
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	if e.port != 0 {
		r.URL.Host = fmt.Sprintf("%s:%d", u.Host[:len(u.Host)-len(portSuffix(u))], e.port)
	}
	return r, nil
}

// portSuffix is the port of a URL with its colon, if it has one.
func portSuffix(u *url.URL) string {
	if u.Port() == "" {
		return ""
	}
	return ":" + u.Port()
}

// A subject is what is asked: the resources, and the workload with what it would
// have.
type subject struct {
	config   *istio.Config
	workload istio.Workload
	identity *mtls.Identity
	stand    *standIn
	keys     *jwt.Keys
}

// explain reads the resources and asks what is made of them.
func (e *explainFlags) explain(r *http.Request, ask func(subject, *http.Request) (fmt.Stringer, error)) (fmt.Stringer, error) {
	var s subject
	var err error
	if s.config, err = istio.ParseFiles(e.files...); err != nil {
		return nil, err
	}
	if s.workload, err = e.workload(); err != nil {
		return nil, err
	}
	if s.stand, err = newStandIn("spiffe://cluster.local/ns/" + e.namespace + "/sa/default"); err != nil {
		return nil, err
	}
	if s.identity, err = s.stand.identity(s.config); err != nil {
		return nil, err
	}
	if s.keys, err = jwt.NewKeys(jwt.KeysConfig{}); err != nil {
		return nil, err
	}
	return ask(s, r)
}

// outbound asks a client.
func (e *explainFlags) outbound(s subject, r *http.Request) (fmt.Stringer, error) {
	client, err := istio.NewClient(s.config, istio.ClientConfig{Workload: s.workload, Identity: s.identity})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Explain(r), nil
}

// inbound asks a server.
func (e *explainFlags) inbound(s subject, r *http.Request) (fmt.Stringer, error) {
	server, err := istio.NewServer(s.config, istio.ServerConfig{
		Workload: s.workload, Identity: s.identity, Providers: providers(s.config), Tokens: requestauth.Tokens(s.keys),
	})
	if err != nil {
		return nil, err
	}
	defer server.Close()
	return server.Explain(e.arrived(r)), nil
}

// edge asks a gateway.
func (e *explainFlags) edge(s subject, r *http.Request) (fmt.Stringer, error) {
	g, err := istio.NewGateway(s.config, istio.GatewayConfig{
		Workload: s.workload, Gateway: e.gateway, Identity: s.identity, Credentials: s.stand.credential,
		Providers: providers(s.config), Tokens: requestauth.Tokens(s.keys),
	})
	if err != nil {
		return nil, err
	}
	defer g.Close()
	return g.Explain(e.arrived(r)), nil
}

// arrived is r as a server gets it: on the port of the URL, over TLS if the URL says
// so or somebody calls over mutual TLS.
func (e *explainFlags) arrived(r *http.Request) *http.Request {
	port := 80
	if r.URL.Scheme == "https" {
		port = 443
	}
	if n, err := strconv.Atoi(r.URL.Port()); err == nil {
		port = n
	}
	if r.URL.Scheme == "https" || e.identity != "" {
		r.TLS = &tls.ConnectionState{ServerName: r.URL.Hostname()}
	}
	if uri, err := url.Parse(e.identity); e.identity != "" && err == nil {
		r.TLS.VerifiedChains = [][]*x509.Certificate{{{URIs: []*url.URL{uri}}}}
	}
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{Port: port}))
}
