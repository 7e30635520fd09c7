package istio

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
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
		l.headers("headers", route.GetHeaders())
		return l.all
	}
	if r := route.GetDirectResponse(); r != nil {
		l.given("directResponse", "status "+strconv.Itoa(int(r.Status)))
		l.headers("headers", route.GetHeaders())
		return l.all
	}
	l.duration("timeout", route.GetTimeout(), "none")
	l.retries(d)
	l.faults(route.GetFault())
	if r := route.GetRewrite(); r != nil {
		l.given("rewrite", rewriteText(r))
	}
	if c := route.GetCorsPolicy(); c != nil {
		l.given("corsPolicy", fmt.Sprintf("answers preflights of %d origins", len(c.AllowOrigins)+len(c.AllowOrigin))) //nolint:staticcheck // an old field that is carried out
	}
	l.headers("headers", route.GetHeaders())
	for _, to := range d.Rule.Destinations {
		l.headers(to.Field+".headers", to.Headers)
	}
	return l.all
}

// retries adds the policy for retries, each part by itself. A rule that says nothing
// has the mesh's policy whole; of one that says something the rest is Istio's default.
func (l *settingList) retries(d *build.Decision) {
	settings, on := build.Retries(d.Rule, d.World.Mesh)
	own, ofMesh := d.Rule.Route.GetRetries(), d.World.Mesh.GetDefaultHttpRetryPolicy()
	add := func(name, value string, given func(*networking.HTTPRetry) bool) {
		switch {
		case own != nil && given(own):
			l.given("retries."+name, value)
		case ofMesh != nil && given(ofMesh) && own == nil:
			l.all = append(l.all, Setting{"retries." + name, value, d.World.MeshAt("defaultHttpRetryPolicy." + name)})
		default:
			l.all = append(l.all, Setting{"retries." + name, value, DefaultOfIstio})
		}
	}
	add("attempts", strconv.Itoa(int(settings.Attempts)), func(*networking.HTTPRetry) bool { return true })
	if settings.Attempts == 0 {
		return
	}
	perTry := "none"
	if settings.PerTryTimeout != nil {
		perTry = settings.PerTryTimeout.AsDuration().String()
	}
	add("perTryTimeout", perTry, func(r *networking.HTTPRetry) bool { return r.PerTryTimeout != nil })
	add("retryOn", on, func(r *networking.HTTPRetry) bool { return r.RetryOn != "" })
	base := 25 * time.Millisecond
	if settings.Backoff != nil {
		base = settings.Backoff.AsDuration()
	}
	add("backoff", fmt.Sprintf("%v, at most %v", base, 10*base), func(r *networking.HTTPRetry) bool { return r.Backoff != nil })
	elsewhere := settings.RetryIgnorePreviousHosts
	otherwise := len(d.Rule.Destinations) != 1 || d.Rule.Destinations[0].Hash == nil
	value := strconv.FormatBool(elsewhere == nil && otherwise || elsewhere.GetValue())
	add("retryIgnorePreviousHosts", value, func(r *networking.HTTPRetry) bool { return r.RetryIgnorePreviousHosts != nil })
	if settings.RetryRemoteLocalities != nil {
		add("retryRemoteLocalities", strconv.FormatBool(settings.RetryRemoteLocalities.Value), func(*networking.HTTPRetry) bool { return true })
	}
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

// headers adds what a rule or a destination does to headers, one setting for each
// name.
func (l *settingList) headers(field string, h *networking.Headers) {
	for _, side := range []struct {
		name string
		ops  *networking.Headers_HeaderOperations
	}{{".request", h.GetRequest()}, {".response", h.GetResponse()}} {
		if names := side.ops.GetRemove(); len(names) > 0 {
			l.given(field+side.name+".remove", strings.Join(names, ", "))
		}
		for _, name := range slices.Sorted(maps.Keys(side.ops.GetSet())) {
			l.given(field+side.name+".set."+name, side.ops.Set[name])
		}
		for _, name := range slices.Sorted(maps.Keys(side.ops.GetAdd())) {
			l.given(field+side.name+".add."+name, side.ops.Add[name])
		}
	}
}
