package main

import (
	"flag"
	"fmt"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/lb"
)

// workloadFlags are the flags of the commands that stand for a workload: which one,
// on which side, and by which resources.
type workloadFlags struct {
	files     listFlag
	mode      string
	namespace string
	labels    mapFlag
	locality  string
}

func (w *workloadFlags) register(f *flag.FlagSet) {
	f.Var(&w.files, "f", "resources: the `path` of a file or folder, or -; may be given again")
	f.StringVar(&w.mode, "mode", "outbound", "outbound: the sidecar of a caller; inbound: that of a server; gateway: the edge of the mesh")
	f.StringVar(&w.namespace, "namespace", "default", "namespace of the workload")
	f.Var(&w.labels, "labels", "labels of the workload, `k=v,...`")
	f.StringVar(&w.locality, "locality", "", "where the workload runs, `region/zone/subzone`")
}

func (w *workloadFlags) workload() (istio.Workload, error) {
	locality, err := lb.ParseLocality(w.locality)
	return istio.Workload{Namespace: w.namespace, Labels: w.labels, Locality: locality}, err
}

// listFlag is a flag that may be given again.
type listFlag []string

// String implements flag.Value.
func (l *listFlag) String() string { return strings.Join(*l, " ") }

// Set implements flag.Value.
func (l *listFlag) Set(s string) error {
	*l = append(*l, s)
	return nil
}

// mapFlag is a flag of pairs k=v with commas between.
type mapFlag map[string]string

// String implements flag.Value.
func (m *mapFlag) String() string { return "" }

// Set implements flag.Value.
func (m *mapFlag) Set(s string) error {
	*m = mapFlag{}
	for pair := range strings.SplitSeq(s, ",") {
		k, v, ok := strings.Cut(pair, "=")
		if !ok || k == "" {
			return fmt.Errorf("%q is not k=v", pair)
		}
		(*m)[k] = v
	}
	return nil
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
