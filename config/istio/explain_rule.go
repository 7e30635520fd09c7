package istio

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/build"
)

// settingList collects settings with their sources.
type settingList struct {
	all   []Setting
	place func(field string) string // where a field was written
}

// given adds a setting that the resource makes.
func (l *settingList) given(name, value string) {
	l.all = append(l.all, Setting{name, value, l.place(name)})
}

// orDefault adds a setting that the resource makes, or else Istio's default.
func (l *settingList) orDefault(given bool, name, value, otherwise string) {
	if given {
		l.given(name, value)
		return
	}
	l.all = append(l.all, Setting{name, otherwise, DefaultOfIstio})
}

// duration adds a time.
func (l *settingList) duration(name string, d *durationpb.Duration, otherwise string) {
	l.orDefault(d != nil, name, d.AsDuration().String(), otherwise)
}

// count adds a number of which zero is not given.
func (l *settingList) count(name string, n int32, otherwise string) {
	l.orDefault(n != 0, name, strconv.Itoa(int(n)), otherwise)
}

// ruleSettings are what the rule itself says, and what holds where it does not.
func ruleSettings(d *build.Decision) []Setting {
	l := settingList{place: d.Rule.Place.Of}
	route := d.Rule.Route
	if r := route.GetRedirect(); r != nil {
		l.given("redirect", redirectText(r))
		return l.all
	}
	if r := route.GetDirectResponse(); r != nil {
		l.given("directResponse", "status "+strconv.Itoa(int(r.Status)))
		return l.all
	}
	l.duration("timeout", route.GetTimeout(), "none")
	l.retries(d)
	l.faults(route.GetFault())
	if r := route.GetRewrite(); r != nil {
		l.given("rewrite", rewriteText(r))
	}
	if route.GetCorsPolicy() != nil {
		l.given("corsPolicy", "answers preflights")
	}
	if route.GetHeaders() != nil {
		l.given("headers", headersText(route.Headers))
	}
	return l.all
}

// retries adds the policy for retries, each part by itself.
func (l *settingList) retries(d *build.Decision) {
	settings, on := build.Retries(d.Rule, d.World.Mesh)
	own := d.Rule.Route.GetRetries() != nil
	source := DefaultOfIstio
	if d.World.Mesh.GetDefaultHttpRetryPolicy() != nil {
		source = "MeshConfig: defaultHttpRetryPolicy"
	}
	add := func(given bool, name, value string) {
		if own && given {
			l.given(name, value)
			return
		}
		l.all = append(l.all, Setting{name, value, source})
	}
	add(true, "retries.attempts", strconv.Itoa(int(settings.Attempts)))
	if settings.Attempts == 0 {
		return
	}
	perTry := "none"
	if settings.PerTryTimeout != nil {
		perTry = settings.PerTryTimeout.AsDuration().String()
	}
	add(settings.PerTryTimeout != nil, "retries.perTryTimeout", perTry)
	add(settings.RetryOn != "", "retries.retryOn", on)
	base := 25 * time.Millisecond
	if settings.Backoff != nil {
		base = settings.Backoff.AsDuration()
	}
	add(settings.Backoff != nil, "retries.backoff", fmt.Sprintf("%v, at most %v", base, 10*base))
}

func (l *settingList) faults(f *networking.HTTPFaultInjection) {
	if d := f.GetDelay(); d != nil {
		share := d.GetPercentage().GetValue()
		if d.Percentage == nil {
			share = float64(d.Percent)
		}
		l.given("fault.delay", fmt.Sprintf("%v %% by %v", share, d.GetFixedDelay().AsDuration()))
	}
	if a := f.GetAbort(); a != nil {
		status := a.GetGrpcStatus()
		if status == "" {
			status = strconv.Itoa(int(a.GetHttpStatus()))
		}
		l.given("fault.abort", fmt.Sprintf("%v %% with %s", a.GetPercentage().GetValue(), status))
	}
}

func redirectText(r *networking.HTTPRedirect) string {
	parts := []string{strconv.Itoa(cmp.Or(int(r.RedirectCode), 301)) + " to"}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	add("scheme", r.Scheme)
	add("host", r.Authority)
	if p, ok := r.RedirectPort.(*networking.HTTPRedirect_Port); ok {
		add("port", strconv.Itoa(int(p.Port)))
	}
	add("path", r.Uri)
	add("prefix", r.PrefixRewrite)
	return strings.Join(parts, " ")
}

func rewriteText(r *networking.HTTPRewrite) string {
	var parts []string
	if r.Authority != "" {
		parts = append(parts, "host "+r.Authority)
	}
	if r.Uri != "" {
		parts = append(parts, "path "+r.Uri)
	}
	if x := r.UriRegexRewrite; x != nil {
		parts = append(parts, fmt.Sprintf("path %s by %s", x.Match, x.Rewrite))
	}
	return strings.Join(parts, ", ")
}

// headersText counts what a rule does to headers.
func headersText(h *networking.Headers) string {
	var parts []string
	for _, side := range []struct {
		name string
		ops  *networking.Headers_HeaderOperations
	}{{"request", h.Request}, {"response", h.Response}} {
		if o := side.ops; o != nil {
			parts = append(parts, fmt.Sprintf("%s: set %d, add %d, remove %d", side.name, len(o.Set), len(o.Add), len(o.Remove)))
		}
	}
	return strings.Join(parts, "; ")
}
