package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/lb"
)

// explainFlags are the flags of `mesh explain`.
type explainFlags struct {
	files     listFlag
	namespace string
	labels    mapFlag
	locality  string
	port      uint
	header    headerFlag
	output    string
}

func runExplain(_ context.Context, args []string, stdout, stderr io.Writer) int {
	e := explainFlags{header: headerFlag{}}
	f := flag.NewFlagSet("mesh explain", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, "usage: mesh explain -f PATH [-f PATH...] [flags] [METHOD] URL\n\n"+
			"Says what the sidecar of a caller would do with a request, without sending it: which rule is\n"+
			"for it, why the earlier ones are not, where it would go, and under which settings, each with\n"+
			"the file and line it comes from.\n\n"+
			"  mesh explain -f mesh.yaml -H 'x-user: beta' http://reviews.shop/v2\n\n"+
			"Exit status: 0 explained, 64 wrong usage, 65 the resources cannot be used.\n\n")
		f.PrintDefaults()
	}
	f.Var(&e.files, "f", "resources: the `path` of a file or folder, or -; may be given again")
	f.StringVar(&e.namespace, "namespace", "default", "namespace of the calling workload")
	f.Var(&e.labels, "labels", "labels of the calling workload, `k=v,...`")
	f.StringVar(&e.locality, "locality", "", "where the calling workload runs, `region/zone/subzone`")
	f.UintVar(&e.port, "port", 0, "service port that the request is for; 0 is that of the URL")
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
	if err != nil {
		fmt.Fprintf(stderr, "mesh explain: %v\n\n", err)
		f.Usage()
		return exitUsage
	}
	explanation, err := e.explain(r)
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

// explain asks a client made of the resources.
func (e *explainFlags) explain(r *http.Request) (istio.Explanation, error) {
	locality, err := lb.ParseLocality(e.locality)
	if err != nil {
		return istio.Explanation{}, err
	}
	config, err := istio.ParseFiles(e.files...)
	if err != nil {
		return istio.Explanation{}, err
	}
	client, err := istio.NewClient(config, istio.ClientConfig{
		Workload: istio.Workload{Namespace: e.namespace, Labels: e.labels, Locality: locality},
	})
	if err != nil {
		return istio.Explanation{}, err
	}
	defer client.Close()
	return client.Explain(r), nil
}

// headerFlag is a flag for a header, as curl has it.
type headerFlag http.Header

// String implements flag.Value.
func (h *headerFlag) String() string { return "" }

// Set implements flag.Value.
func (h *headerFlag) Set(s string) error {
	name, value, ok := strings.Cut(s, ":")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return fmt.Errorf("%q is not 'name: value'", s)
	}
	http.Header(*h).Add(name, strings.TrimSpace(value))
	return nil
}
