package conformance

import (
	"fmt"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A judge compares what came of a case with what was recorded.
type judge struct {
	c       *recording
	chancy  bool // the resources have shares that may happen not to be drawn
	step    string
	strict  bool // answers of the step must be equal, not only as often
	against []string
}

// judge is what is otherwise than recorded, a line each.
func (c *recording) judge(outcomes map[int][]*outcome) []string {
	j := &judge{c: c}
	for _, m := range percentages.FindAllStringSubmatch(c.Config, -1) {
		if v, err := strconv.ParseFloat(m[1], 64); err == nil && v > 0 && v < 100 {
			j.chancy = true
		}
	}
	for i := range c.Steps {
		s := &c.Steps[i]
		want, ok := s.Expect.any.(map[string]any)
		if s.Request == nil || !ok {
			continue
		}
		j.step = fmt.Sprintf("step %d %s", i, s.Name)
		j.strict = s.Concurrency <= 1 && s.Every == 0
		switch {
		case s.Keys != nil:
			j.keys(want, outcomes[i])
		case s.Repeat > 1:
			j.many(want, outcomes[i])
		default:
			j.one(want, outcomes[i][0])
		}
	}
	return j.against
}

var percentages = regexp.MustCompile(`(?:value|percent|mirror_?[pP]ercent): *([0-9.]+)`)

func (j *judge) say(what string, want, got any) {
	j.against = append(j.against, fmt.Sprintf("%s: %s: want %v, got %v", j.step, what, want, got))
}

// equal compares with a recorded value, or with any of those that the plays had.
func (j *judge) equal(what string, want, got any) {
	for _, v := range variants(want) {
		if reflect.DeepEqual(v, got) {
			return
		}
		if ip, ok := got.(string); ok && v == "(address of the proxy)" && net.ParseIP(ip) != nil {
			return
		}
	}
	j.say(what, want, got)
}

// variants are the values that a leaf had in the plays.
func variants(want any) []any {
	if m, ok := want.(map[string]any); ok && len(m) == 1 {
		if l, ok := m["varies"].([]any); ok {
			return l
		}
	}
	return []any{want}
}

func varied(want any) bool {
	m, ok := want.(map[string]any)
	return ok && len(m) == 1 && m["varies"] != nil
}

// one judges a single request.
func (j *judge) one(want map[string]any, o *outcome) {
	if want["error"] != nil || o.Err != nil {
		if (want["error"] != nil) != (o.Err != nil) {
			j.say("error", want["error"], o.Err)
		}
		return
	}
	j.equal("status", want["status"], strconv.Itoa(o.Status))
	anyServer := varied(want["server"]) // drawn by lot: whoever answered is right
	if !anyServer {
		j.equal("server", want["server"], o.servedBy())
	}
	if body, ok := want["body"]; ok {
		j.equal("body", body, o.Body)
	} else if o.servedBy() == "-" {
		j.say("body", "a server's", o.Body)
	}
	var cut any
	if o.Cut {
		cut = "true"
	}
	j.equal("cut", want["cut"], cut)
	j.headers("headers", want["headers"], o.Header)

	main, copies := j.c.split(o.Arrivals)
	var attempts []any
	for _, a := range main {
		attempts = append(attempts, a.Server+" "+a.Status)
	}
	j.attempts(want["attempts"], attempts, anyServer)
	upstream, _ := want["upstream"].(map[string]any)
	switch {
	case (upstream != nil) != (len(main) > 0):
		j.say("arrivals", len(upstream) > 0, len(main) > 0)
	case upstream != nil:
		j.arrival("upstream", upstream, main[len(main)-1], anyServer)
	}
	mirrored, _ := want["mirrored"].([]any)
	if len(mirrored) != len(copies) {
		j.say("copies", len(mirrored), len(copies))
		return
	}
	for i, m := range mirrored {
		j.arrival(fmt.Sprintf("mirrored[%d]", i), m.(map[string]any), copies[i], false)
	}
	j.log(want["envoy"], o)
	j.time(want["ms"], o.Elapsed, o.Elapsed, len(main)-1)
}

func (j *judge) attempts(want any, got []any, anyServer bool) {
	if !anyServer {
		if got == nil {
			got = []any{}
		}
		j.equal("attempts", want, got)
		return
	}
	nameless := func(list any) string {
		l, _ := list.([]any)
		words := make([]string, len(l))
		for i, a := range l {
			_, words[i], _ = strings.Cut(a.(string), " ")
		}
		return strings.Join(words, "|")
	}
	if !slices.ContainsFunc(variants(want), func(v any) bool { return nameless(v) == nameless(got) }) {
		j.say("attempts", want, got)
	}
}

func (j *judge) arrival(what string, want map[string]any, a *arrival, anyServer bool) {
	if !anyServer {
		j.equal(what+".server", want["server"], a.Server)
	}
	j.equal(what+".method", want["method"], a.Method)
	j.equal(what+".path", want["path"], a.Path)
	j.equal(what+".host", want["host"], a.Host)
	var size any
	if a.Body > 0 {
		size = strconv.FormatInt(a.Body, 10)
	}
	j.equal(what+".bodyBytes", want["bodyBytes"], size)
	j.headers(what+".headers", want["headers"], a.Header)
}

// headers compares all but those that only a proxy adds, unless the case itself
// speaks of them.
func (j *judge) headers(what string, want any, got map[string][]string) {
	w, _ := want.(map[string]any)
	names := map[string]bool{}
	for name := range w {
		names[name] = true
	}
	have := map[string]any{}
	for name, values := range got {
		name = strings.ToLower(name)
		names[name] = true
		list := []any{}
		for _, v := range values {
			list = append(list, v)
		}
		if have[name] = any(list); len(list) == 1 {
			have[name] = list[0]
		}
	}
	for name := range names {
		if j.informative(name) {
			continue
		}
		if varied(w[name]) && (name == "set-cookie" || name == "cookie") {
			if !sameButValue(w[name], have[name]) {
				j.say(what+"."+name, w[name], have[name])
			}
			continue
		}
		j.equal(what+"."+name, w[name], have[name])
	}
}

func (j *judge) informative(name string) bool {
	switch name {
	case "date", "server", "x-served-by", "x-oracle-id", "x-envoy-upstream-service-time", "content-length", "content-type",
		"connection", "keep-alive", "transfer-encoding", "accept-encoding":
		return true
	}
	proxy := strings.HasPrefix(name, "x-envoy-") || strings.HasPrefix(name, "x-forwarded-") || strings.HasPrefix(name, "x-fill-") ||
		name == "x-request-id" || name == "via"
	return proxy && !strings.Contains(strings.ToLower(j.c.Config), name)
}

var madeUp = regexp.MustCompile(`="?[0-9a-zA-Z_+/=-]*"?`)

// sameButValue compares cookies whose values are made up.
func sameButValue(want, got any) bool {
	blank := func(v any) string {
		s, _ := v.(string)
		if at := madeUp.FindStringIndex(s); at != nil {
			return s[:at[0]] + s[at[1]:]
		}
		return s
	}
	return slices.ContainsFunc(variants(want), func(v any) bool { return blank(v) == blank(got) })
}

// log compares flags, details, cluster and attempts with the access record.
func (j *judge) log(want any, o *outcome) {
	w, _ := want.(map[string]any)
	if w == nil || w["details"] == nil || w["details"] == "" {
		return // Envoy did not log it either
	}
	if o.Record == nil {
		j.say("access record", w, nil)
		return
	}
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	j.equal("flags", w["flags"], dash(string(o.Record.Flags)))
	j.equal("details", w["details"], dash(o.Record.Details))
	j.equal("cluster", w["cluster"], dash(o.Record.Upstream))
	j.equal("attempts logged", w["attempts"], strconv.Itoa(o.Record.Attempts))
}

// keys judges which server each key went to.
func (j *judge) keys(want map[string]any, outcomes []*outcome) {
	allowed := map[string][]string{}
	w, _ := want["keys"].(map[string]any)
	for server, list := range w {
		for _, v := range variants(list) {
			l, _ := v.([]any)
			for _, k := range l {
				allowed[k.(string)] = append(allowed[k.(string)], server)
			}
		}
	}
	for k, o := range outcomes {
		by := o.servedBy()
		if o.Status != 200 {
			by = fmt.Sprint(o.Status, " ", by)
		}
		if !slices.Contains(allowed[strconv.Itoa(k)], by) {
			j.say(fmt.Sprint("key ", k), allowed[strconv.Itoa(k)], by)
			return
		}
	}
}

// busy is what a loaded machine may take longer.
const busy = 400 * time.Millisecond

var backoffs = regexp.MustCompile(`backoff: *([0-9.a-z]+)`)

// time judges how long requests took: of the same class, or not far outside the
// range of the plays. Waits between retries are drawn, and widen the range by
// all that they can take.
func (j *judge) time(want any, least, most time.Duration, retries int) {
	if want == "fast" {
		if most > 100*time.Millisecond+busy {
			j.say("time", want, most)
		}
		return
	}
	l, ok := want.([]any)
	if !ok || len(l) != 2 {
		return
	}
	low, high := milliseconds(l[0]), milliseconds(l[1])
	chance := j.waits(retries)
	room := func(d time.Duration) time.Duration { return max(d/5, 50*time.Millisecond) + chance }
	if least < low-room(low) || most > high+room(high)+busy || least != most && most < high/2-room(high) {
		j.say("time", want, fmt.Sprint(least, " to ", most))
	}
}

func (j *judge) waits(retries int) time.Duration {
	base := 25 * time.Millisecond
	for _, m := range backoffs.FindAllStringSubmatch(j.c.Config, -1) {
		if d, err := time.ParseDuration(m[1]); err == nil {
			base = max(base, d)
		}
	}
	var all time.Duration
	for n, next := 0, base; n < retries; n, next = n+1, min(2*next, 10*base) {
		all += next
	}
	return all
}

func milliseconds(v any) time.Duration {
	f, _ := strconv.ParseFloat(fmt.Sprint(v), 64)
	return time.Duration(f * float64(time.Millisecond))
}
