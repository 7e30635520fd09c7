package istio

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	meshconfig "istio.io/api/mesh/v1alpha1"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/authz/external"
	"github.com/sidecarless/mesh/config/internal/plan"
	inbound "github.com/sidecarless/mesh/config/internal/security"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// providers are those of the configuration and, if policies for the workload ask
// one of MeshConfig.extensionProviders, that one. Its service is noted in n.
func (s *Server) providers(c *Config, w *inbound.World, to inbound.Workload, n *next) (map[string]inbound.Provider, error) {
	n.services = &plan.World{Mesh: w.Mesh}
	name, source := w.Asked(to)
	if name == "" || s.config.Providers[name] != nil {
		return s.config.Providers, nil
	}
	i := slices.IndexFunc(w.Mesh.GetExtensionProviders(), func(p *meshconfig.MeshConfig_ExtensionProvider) bool { return p.Name == name })
	if i < 0 {
		return s.config.Providers, nil // which is reported with the policy
	}
	made := maps.Clone(s.config.Providers)
	if made == nil {
		made = map[string]inbound.Provider{}
	}
	// A provider that cannot be carried out is no reason to say that there is none.
	made[name] = func(*http.Request) (authz.Answer, error) { return authz.Answer{}, errors.ErrUnsupported }
	at := "MeshConfig.extensionProviders[" + strconv.Itoa(i) + "]"
	p := w.Mesh.ExtensionProviders[i].GetEnvoyExtAuthzHttp()
	if p == nil {
		kind := "a provider of something else than authorization"
		if w.Mesh.ExtensionProviders[i].GetEnvoyExtAuthzGrpc() != nil {
			kind = "an envoyExtAuthzGrpc, which is not carried out: write an envoyExtAuthzHttp, or give a function in Providers"
		}
		return made, &mesh.Problem{Source: source, Field: "spec.provider.name", Value: name, Reason: "is " + kind}
	}
	service, err := s.externalService(c, p, n)
	if err != nil {
		l := check.List{Prefix: at}
		l.Include("envoyExtAuthzHttp", err)
		var errs []error
		for problem := range mesh.Problems(l.Err()) {
			problem.Source = source
			errs = append(errs, problem)
		}
		return made, errors.Join(errs...)
	}
	made[name] = service.Ask
	return made, nil
}

type extAuthz = meshconfig.MeshConfig_ExtensionProvider_EnvoyExternalAuthorizationHttpProvider

// externalService is the client of a service that decides.
func (s *Server) externalService(c *Config, p *extAuthz, n *next) (*external.Service, error) {
	cluster, errService := s.findService(c, p, n)
	told := p.IncludeRequestHeadersInCheck
	if len(told) == 0 {
		told = p.IncludeHeadersInCheck //nolint:staticcheck // the old name
	}
	body := p.IncludeRequestBodyInCheck
	config := external.Config{
		URL: "http://" + cluster.Host + p.PathPrefix, Transport: s.services.To(cluster), Timeout: p.Timeout.AsDuration(),
		FailOpen: p.FailOpen, RequestHeaders: headerNames(told), AddHeaders: p.IncludeAdditionalHeadersInCheck,
		MaxBody: int(body.GetMaxRequestBytes()), PartialBody: body.GetAllowPartialMessage(),
		UpstreamHeaders: headerNames(p.HeadersToUpstreamOnAllow),
		AllowHeaders:    headerNames(p.HeadersToDownstreamOnAllow), DenyHeaders: headerNames(p.HeadersToDownstreamOnDeny),
	}
	errs := []error{errService, wildNames(p)}
	if p.StatusOnError != "" {
		status, err := strconv.Atoi(p.StatusOnError)
		if config.StatusOnError = status; err != nil || http.StatusText(status) == "" {
			errs = append(errs, &mesh.Problem{Field: "statusOnError", Value: p.StatusOnError, Reason: "is no status"})
			config.StatusOnError = 0
		}
	}
	if p.PathPrefix != "" && !strings.HasPrefix(p.PathPrefix, "/") {
		errs = append(errs, &mesh.Problem{Field: "pathPrefix", Value: p.PathPrefix, Reason: "must begin with a slash"})
	}
	if body != nil && body.MaxRequestBytes == 0 {
		errs = append(errs, &mesh.Problem{Field: "includeRequestBodyInCheck.maxRequestBytes", Reason: "must be greater than zero"})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return external.New(config)
}

// findService is the cluster of a provider's service. What describes it is noted in
// n.
func (s *Server) findService(c *Config, p *extAuthz, n *next) (plan.Cluster, error) {
	namespace, host, qualified := strings.Cut(p.Service, "/")
	if !qualified {
		namespace, host = "", p.Service
	}
	cluster := plan.Cluster{Host: host, Port: p.Port}
	all := c.world()
	w := &plan.World{
		DestinationRules: all.DestinationRules, WorkloadEntries: all.WorkloadEntries,
		EndpointSlices: all.EndpointSlices, Pods: all.Pods, Mesh: all.Mesh,
	}
	for _, e := range all.ServiceEntries {
		if slices.Contains(e.Spec.Hosts, host) && (namespace == "" || namespace == e.Namespace) {
			w.ServiceEntries = append(w.ServiceEntries, e)
		}
	}
	for _, k := range all.Services {
		if namespace == "" || namespace == k.Namespace {
			w.Services = append(w.Services, k)
		}
	}
	made, err := plan.New(w, s.config.Workload.client())
	if err != nil {
		return cluster, err
	}
	if made.Clusters[cluster] == nil {
		return cluster, &mesh.Problem{Field: "service", Value: p.Service, Reason: fmt.Sprintf("is no service with a port %d that a resource names", p.Port)}
	}
	n.services = w
	return cluster, nil
}

// headerNames are the names of headers, or their beginnings or ends.
func headerNames(list []string) []match.Value {
	var all []match.Value
	for _, name := range list {
		if end, ok := strings.CutPrefix(name, "*"); ok {
			all = append(all, match.Suffix(end))
		} else if begin, ok := strings.CutSuffix(name, "*"); ok {
			all = append(all, match.Prefix(begin))
		} else {
			all = append(all, match.Exact(name))
		}
	}
	return all
}

// wildNames refuses names that stand for every header, as Istio does.
func wildNames(p *extAuthz) error {
	for _, f := range [...]struct {
		field string
		names []string
	}{
		{"includeRequestHeadersInCheck", p.IncludeRequestHeadersInCheck},
		{"includeHeadersInCheck", p.IncludeHeadersInCheck}, //nolint:staticcheck // the old name
		{"headersToUpstreamOnAllow", p.HeadersToUpstreamOnAllow},
		{"headersToDownstreamOnDeny", p.HeadersToDownstreamOnDeny},
		{"headersToDownstreamOnAllow", p.HeadersToDownstreamOnAllow},
	} {
		if slices.Contains(f.names, "*") {
			return &mesh.Problem{Field: f.field, Value: "*", Reason: "must be a name, or the beginning or end of one"}
		}
	}
	return nil
}
