package conformance

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/gatewayapi"
)

// A gatewayWorld is a cluster with the resources of a case.
type gatewayWorld struct {
	t         *testing.T
	pods      *podNetwork
	documents []map[string]any
	config    *gatewayapi.Config
	gateways  map[string]*gatewayapi.Gateway
	servers   map[string]*httptest.Server // by gateway, port and scheme
	clients   map[string]*gatewayapi.Client
}

func newGatewayWorld(t *testing.T, base *gatewayBase, pods *podNetwork, c *gatewayCase) *gatewayWorld {
	w := &gatewayWorld{t: t, pods: pods, gateways: map[string]*gatewayapi.Gateway{}, servers: map[string]*httptest.Server{}, clients: map[string]*gatewayapi.Client{}}
	for _, list := range [][]json.RawMessage{base.GatewayManifests, base.MeshManifests, c.Manifests} {
		for _, text := range list {
			var doc map[string]any
			require.NoError(t, json.Unmarshal(text, &doc))
			w.documents = append(w.documents, doc)
		}
	}
	w.addEndpoints()
	w.parse()
	return w
}

// parse reads the resources anew.
func (w *gatewayWorld) parse() {
	var text strings.Builder
	for _, doc := range w.documents {
		data, err := json.Marshal(doc)
		require.NoError(w.t, err)
		text.WriteString("---\n" + string(data) + "\n")
	}
	var err error
	w.config, err = gatewayapi.Parse("case.yaml", strings.NewReader(text.String()))
	require.NoError(w.t, err)
}

// drop deletes the objects of a kind.
func (w *gatewayWorld) drop(kind string) {
	var kept []map[string]any
	for _, doc := range w.documents {
		if doc["kind"] != kind {
			kept = append(kept, doc)
		}
	}
	w.documents = kept
	w.parse()
	for _, g := range w.gateways {
		require.NoError(w.t, g.Update(w.config))
	}
}

// addEndpoints does what a cluster does: it makes EndpointSlices of the pods that
// Services select, and fills in those that the suite fills in by itself.
func (w *gatewayWorld) addEndpoints() {
	for _, doc := range w.documents {
		switch doc["kind"] {
		case "EndpointSlice":
			if doc["addressType"] == "IPv4" {
				doc["endpoints"] = w.endpoints("gateway-conformance-infra", map[string]any{"app": "infra-backend-v1"})
			}
		case "Service":
			meta, spec := doc["metadata"].(map[string]any), doc["spec"].(map[string]any)
			selector, _ := spec["selector"].(map[string]any)
			if len(selector) == 0 {
				continue
			}
			var ports []any
			for _, p := range spec["ports"].([]any) {
				port := p.(map[string]any)
				to := port["targetPort"]
				if to == nil {
					to = port["port"]
				}
				ports = append(ports, map[string]any{"name": port["name"], "port": to})
			}
			w.documents = append(w.documents, map[string]any{
				"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "ports": ports,
				"metadata":  map[string]any{"name": meta["name"].(string) + "-pods", "namespace": meta["namespace"], "labels": map[string]any{"kubernetes.io/service-name": meta["name"]}},
				"endpoints": w.endpoints(meta["namespace"].(string), selector),
			})
		}
	}
}

func (w *gatewayWorld) endpoints(namespace string, selector map[string]any) []any {
	all := []any{}
	for _, p := range w.pods.pods {
		fits := p.namespace == namespace
		for k, v := range selector {
			fits = fits && p.labels[k] == v
		}
		if fits {
			all = append(all, map[string]any{"addresses": []any{p.ip}})
		}
	}
	return all
}

// server serves a port of a Gateway.
func (w *gatewayWorld) server(name string, port int, secure bool) *httptest.Server {
	g := w.gateways[name]
	if g == nil {
		var err error
		g, err = gatewayapi.NewGateway(w.config, gatewayapi.GatewayConfig{Name: name, Dial: w.pods.dial})
		require.NoError(w.t, err)
		w.t.Cleanup(func() { g.Close() })
		w.gateways[name] = g
	}
	key := fmt.Sprintf("%s:%d:%v", name, port, secure)
	s := w.servers[key]
	if s == nil {
		s = httptest.NewUnstartedServer(g.Handler(uint16(port)))
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetHTTP1(true)
		s.Config.Protocols.SetHTTP2(true)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		if secure {
			s.EnableHTTP2 = true
			s.StartTLS()
		} else {
			s.Start()
		}
		w.t.Cleanup(s.Close)
		w.servers[key] = s
	}
	return s
}

// transport is how a probe is sent: to a Gateway over the network, or by a client
// of the mesh.
func (w *gatewayWorld) transport(p *gatewayProbe, h2 bool) http.RoundTripper {
	if p.From != "" {
		namespace, _, _ := strings.Cut(p.From, "/")
		c := w.clients[namespace]
		if c == nil {
			direct := &http.Transport{DialContext: w.pods.dial}
			w.t.Cleanup(direct.CloseIdleConnections)
			var err error
			c, err = gatewayapi.NewClient(w.config, gatewayapi.ClientConfig{Namespace: namespace, Dial: w.pods.dial, Unknown: direct})
			require.NoError(w.t, err)
			w.t.Cleanup(func() { c.Close() })
			w.clients[namespace] = c
		}
		return c
	}
	secure := p.Scheme == "https"
	address := w.server(p.Gateway, p.Port, secure).Listener.Addr().String()
	tr := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: p.TLSServerName}, // of a test
		Protocols:       new(http.Protocols),
	}
	tr.Protocols.SetHTTP1(!h2)
	tr.Protocols.SetHTTP2(h2)
	tr.Protocols.SetUnencryptedHTTP2(h2)
	w.t.Cleanup(tr.CloseIdleConnections)
	return tr
}
