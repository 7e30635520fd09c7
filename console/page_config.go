package console

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sidecarless/mesh/console/internal/words"
)

// maxRules is how many rules a page shows; text and JSON have them all.
const maxRules = 500

// A configPage is what is in force.
type configPage struct {
	Reload    *reloadRow
	Rules     []ruleRow
	More      int
	Resources []Resource
	Warnings  []string
	Empty     bool
}

type reloadRow struct {
	Counts string
	Failed string
	Err    []string
}

type ruleRow struct {
	Hosts, Name, Match, Source string
	To                         []string
}

func (r *Rule) row() ruleRow {
	to := []string{}
	for _, b := range r.Branches {
		text := words.ShortName(b.Upstream)
		switch {
		case b.Copies:
			text = words.Percent(b.Percent) + " copied to " + text
		case b.Percent < 100:
			text = words.Percent(b.Percent) + " " + text
		}
		to = append(to, text)
	}
	if r.Then != "" {
		to = append(to, r.Then)
	}
	hosts := firstOf(r.Hosts)
	if hosts == "" {
		hosts = "any"
	} else if n := len(r.Hosts) - 1; n > 0 {
		hosts += fmt.Sprintf(" and %s", words.Plural(n, "other name", "other names"))
	}
	match := r.Match
	if match == "" {
		match = "every request"
	}
	return ruleRow{hosts, r.Name, match, r.Source, to}
}

func (r *Reload) row(now time.Time) *reloadRow {
	row := &reloadRow{}
	row.Counts = "Loaded anew " + words.Plural(int(r.Loads), "time", "times") + ", last " + words.Ago(now, r.Loaded) + "; failed " + words.Plural(int(r.Failures), "time", "times") + "."
	if r.Err != nil {
		row.Failed = words.Ago(now, r.Failed)
		row.Err = strings.Split(r.Err.Error(), "\n")
	}
	return row
}

func (c *Console) configuration(s *state, _ *http.Request) view {
	p := configPage{Empty: len(s.configs) == 0}
	if s.reload != nil {
		p.Reload = s.reload.row(s.at)
	}
	rules := []Rule{}
	for _, config := range s.configs {
		rules = append(rules, config.Rules...)
		p.Resources = append(p.Resources, config.Resources...)
		for _, w := range config.Warnings {
			p.Warnings = append(p.Warnings, w.Error())
		}
	}
	for i := range rules[:min(len(rules), maxRules)] {
		p.Rules = append(p.Rules, rules[i].row())
	}
	p.More = len(rules) - len(p.Rules)
	return view{
		title: "Configuration", page: "configuration", live: true, html: p,
		json: func() any {
			return map[string]any{"rules": rules, "resources": p.Resources, "warnings": p.Warnings, "reload": reloadJSON(s.reload)}
		},
		text: func(w io.Writer) { p.write(w, rules) },
	}
}

func reloadJSON(r *Reload) any {
	if r == nil {
		return nil
	}
	said := map[string]any{"loads": r.Loads, "failures": r.Failures, "loaded": r.Loaded, "failed": r.Failed}
	if r.Err != nil {
		said["error"] = r.Err.Error()
	}
	return said
}

// write is the page for curl.
func (p *configPage) write(w io.Writer, rules []Rule) {
	if r := p.Reload; r != nil {
		fmt.Fprintln(w, r.Counts)
		for _, line := range r.Err {
			fmt.Fprintln(w, "! "+line)
		}
		fmt.Fprintln(w)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range rules {
		r := rules[i].row()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.Source, r.Hosts, r.Name, r.Match, strings.Join(r.To, ", "))
	}
	for _, r := range p.Resources {
		fmt.Fprintf(t, "%s\t%s\t%s\n", r.Source, r.Kind, r.Name)
	}
	t.Flush()
	for _, line := range p.Warnings {
		fmt.Fprintln(w, "warning: "+line)
	}
}

// An explainPage is a form and what it says.
type explainPage struct {
	Method, URL, Headers string
	Said, Wrong          string
	Off                  bool
}

// explanation says what would become of ?method= ?url= with each ?header=, or the
// lines of ?headers=, as name: value.
func (c *Console) explanation(s *state, r *http.Request) view {
	q := r.URL.Query()
	lines := append(q["header"], strings.Split(q.Get("headers"), "\n")...)
	p := explainPage{Method: q.Get("method"), URL: q.Get("url"), Headers: strings.TrimSpace(strings.Join(lines, "\n"))}
	v := view{title: "Explain", page: "explain"}
	asked, err := p.request()
	var said any
	switch {
	case p.URL == "":
	case err != nil:
		p.Wrong, v.status = err.Error(), http.StatusBadRequest
	default:
		if said = c.explain(asked); said == nil {
			p.Wrong, v.status = "nothing here can explain requests", http.StatusNotFound
		} else {
			p.Said = fmt.Sprint(said)
		}
	}
	if p.Wrong != "" {
		said = map[string]string{"error": p.Wrong}
	}
	v.html, v.json = p, func() any { return said }
	v.text = func(w io.Writer) {
		switch {
		case p.Wrong != "":
			fmt.Fprintln(w, p.Wrong)
		case p.URL == "":
			fmt.Fprintln(w, "explain?url=URL[&method=METHOD][&header=NAME:VALUE]... says what would become of a request")
		default:
			fmt.Fprint(w, p.Said)
		}
	}
	return v
}

func (p *explainPage) request() (*http.Request, error) {
	target := p.URL
	if !strings.Contains(target, "://") {
		target = "http://" + target
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	if u.Host == "" {
		return nil, fmt.Errorf("the URL %q has no host", p.URL)
	}
	r, err := http.NewRequest(p.Method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(p.Headers) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			return nil, fmt.Errorf("%q is not name: value", strings.TrimSpace(line))
		}
		if strings.EqualFold(name, "host") {
			r.Host = strings.TrimSpace(value)
			continue
		}
		r.Header.Add(name, strings.TrimSpace(value))
	}
	return r, nil
}
