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

// A Case is one recording.
type Case struct {
	Name       string
	Port       uint16
	Client     Workload
	Inbound    *Workload `yaml:"inbound"`
	MeshConfig string    `yaml:"meshConfig"`
	Servers    []Server
	Mirrors    []string
	Config     string
	Steps      []Step
	Recorded   struct {
		Runs       int
		Validation []struct {
			Resource, Error, Warning string
			Sometimes                bool
		}
	}
}

// A Workload is whose sidecar is played.
type Workload struct {
	Namespace string
	Labels    map[string]string
	Locality  string
	Address   string
	Port      uint16
}

// A Server is one that listens behind the mesh.
type Server struct {
	Name    string
	Address string
	Down    bool
	Script  []Reply
}

// A Reply is an entry of a server's script; Times zero is for ever.
type Reply struct {
	Status    int
	Delay     Duration
	Reset     bool
	Headers   map[string]string
	Body      *string
	BodyDelay Duration `yaml:"bodyDelay"`
	Cut       bool
	Times     int
}

// A Step is a request, or many alike, and what came of them.
type Step struct {
	Name        string
	Wait        Duration
	Scripts     map[string][]Reply
	Request     *Request
	Identity    string
	Repeat      int
	Concurrency int
	Every       Duration
	Keys        *Keys
	Expect      Tree
}

// A Request is what the client sends.
type Request struct {
	Method    string
	Path      string
	Authority string
	Headers   [][2]string
	Body      string
	BodySize  int `yaml:"bodySize"`
	Fill      struct{ Count, Size int }
}

// Keys are the values that requests of a step carry, one each.
type Keys struct {
	Header, Query, Cookie, Format string
	N                             int
}

// A Duration is written as Go writes it.
type Duration time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	*d = Duration(v)
	return err
}

// A Tree is a value of maps, lists and strings, as it stands in the file.
type Tree struct{ any }

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *Tree) UnmarshalYAML(n *yaml.Node) error {
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

// Load reads the cases of a folder.
func Load(folder string) ([]*Case, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var cases []*Case
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		c := &Case{Port: 80}
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
func (c *Case) resources() string {
	if c.MeshConfig == "" {
		return c.Config
	}
	return c.Config + "\n---\napiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\n" + c.MeshConfig
}
