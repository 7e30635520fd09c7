package conformance

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A recording is a case: resources, requests, and what came of them with a real sidecar.
type recording struct {
	Name       string
	Port       uint16
	Client     workload
	Inbound    *workload `yaml:"inbound"`
	MeshConfig string    `yaml:"meshConfig"`
	Servers    []server
	Mirrors    []string
	Config     string
	Steps      []step
	Recorded   struct {
		Runs       int
		Validation []struct {
			Resource, Error, Warning string
			Sometimes                bool
		}
	}
}

// A workload is whose sidecar is played.
type workload struct {
	Namespace string
	Labels    map[string]string
	Locality  string
	Address   string
	Port      uint16
}

// A server is one that listens behind the mesh.
type server struct {
	Name    string
	Address string
	Down    bool
	Script  []reply
}

// A reply is an entry of a server's script; Times zero is for ever.
type reply struct {
	Status    int
	Delay     duration
	Reset     bool
	Headers   map[string]string
	Body      *string
	BodyDelay duration `yaml:"bodyDelay"`
	Cut       bool
	Times     int
}

// A step is a request, or many alike, and what came of them.
type step struct {
	Name        string
	Wait        duration
	Scripts     map[string][]reply
	Request     *request
	Identity    string
	Repeat      int
	Concurrency int
	Every       duration
	Keys        *keys
	Expect      tree
}

// A request is what the client sends.
type request struct {
	Method    string
	Path      string
	Authority string
	Headers   [][2]string
	Body      string
	BodySize  int `yaml:"bodySize"`
	Fill      struct{ Count, Size int }
}

// keys are the values that requests of a step carry, one each.
type keys struct {
	Header, Query, Cookie, Format string
	N                             int
}

// A duration is written as Go writes it.
type duration time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	*d = duration(v)
	return err
}

// A tree is a value of maps, lists and strings, as it stands in the file.
type tree struct{ any }

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *tree) UnmarshalYAML(n *yaml.Node) error {
	t.any = treeOf(n)
	return nil
}

func treeOf(n *yaml.Node) any {
	switch n.Kind {
	case yaml.AliasNode:
		return treeOf(n.Alias)
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = treeOf(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		l := []any{}
		for _, c := range n.Content {
			l = append(l, treeOf(c))
		}
		return l
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!binary":
		b, _ := base64.StdEncoding.DecodeString(n.Value)
		return string(b)
	}
	return n.Value
}

// load reads the cases of a folder.
func load(folder string) ([]*recording, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var cases []*recording
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		c := &recording{Port: 80}
		if err := yaml.Unmarshal(text, c); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		if want := strings.TrimSuffix(filepath.Base(f), ".yaml"); c.Name != want {
			return nil, fmt.Errorf("%s: the case is named %q", f, c.Name)
		}
		if c.Client.Namespace == "" {
			c.Client.Namespace = "default"
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("%s: no cases", folder)
	}
	return cases, nil
}

// resources are the documents of the case, with the mesh-wide settings as one
// more.
func (c *recording) resources() string {
	if c.MeshConfig == "" {
		return c.Config
	}
	return c.Config + "\n---\napiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\n" + c.MeshConfig
}
