package console

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/console/internal/journal"
	"github.com/sidecarless/mesh/console/internal/words"
)

// A decisionRow is a decision in a table.
type decisionRow struct {
	ID                              uint64
	Time, Method, Target, Code      string
	Flags, Route, To, Took, Retries string
	State                           string
}

// decisionList is the page of the last decisions.
type decisionList struct {
	Rows                                []decisionRow
	Kept                                int
	Route, Upstream, Code, Flag, Slower string // as asked for
	Failed                              bool
	Off                                 bool
}

func anyDecision(*journal.Decision) bool { return true }

// decisionRows are the last decisions that pass.
func (c *Console) decisionRows(most int, pass func(*journal.Decision) bool) []decisionRow {
	rows := []decisionRow{}
	c.journal.Last(most, pass, func(d *journal.Decision) { rows = append(rows, rowOf(d)) })
	return rows
}

func rowOf(d *journal.Decision) decisionRow {
	r := &d.Record
	row := decisionRow{
		ID: d.Seq, Time: r.Start.Format("15:04:05.000"), Method: r.Method, Target: words.Cut(r.Host+r.Path, 80),
		Code: strconv.Itoa(r.Status), Flags: journal.Flags(r), Route: r.Route, To: words.ShortName(r.Upstream), Took: words.Short(r.Duration), State: "ok",
	}
	if r.Endpoint != "" {
		row.To += " → " + r.Endpoint
	}
	if r.Attempts > 1 {
		row.Retries = words.Plural(r.Attempts-1, "retry", "retries")
	}
	switch {
	case journal.Failed(r):
		row.State = "bad"
	case r.Status >= 400, r.Flags != "":
		row.State = "warn"
	}
	return row
}

// wanted is the filter that a query asks for.
func wanted(q url.Values) func(*journal.Decision) bool {
	route, upstream, code, flag := q.Get("route"), q.Get("upstream"), q.Get("code"), q.Get("flag")
	slow, _ := time.ParseDuration(q.Get("slow")) // what is none filters nothing
	bad := q.Get("failed") != ""
	return func(d *journal.Decision) bool {
		r := &d.Record
		status := strconv.Itoa(r.Status)
		return (route == "" || r.Route == route) && (upstream == "" || strings.Contains(r.Upstream, upstream)) &&
			(code == "" || status == code || strings.HasSuffix(code, "xx") && strings.HasPrefix(status, code[:len(code)-2])) &&
			(flag == "" || r.Flags.Has(mesh.Flag(flag))) && r.Duration >= slow && (!bad || journal.Failed(r))
	}
}

func (c *Console) decisions(s *state, r *http.Request) view {
	q := r.URL.Query()
	pass := wanted(q)
	list := decisionList{
		Kept: max(c.config.Decisions, 0), Route: q.Get("route"), Upstream: q.Get("upstream"), Code: q.Get("code"),
		Flag: q.Get("flag"), Slower: q.Get("slow"), Failed: q.Get("failed") != "", Off: c.journal == nil,
	}
	most := 2 * list.Kept
	if n, err := strconv.Atoi(q.Get("n")); err == nil && n > 0 {
		most = n
	}
	stories := func() []journal.Story {
		all := []journal.Story{}
		c.journal.Last(most, pass, func(d *journal.Decision) { all = append(all, d.Tell()) })
		return all
	}
	v := view{title: "Decisions", page: "decisions", live: true}
	switch formatOf(r) {
	case formatJSON:
		v.json = func() any { return map[string]any{"decisions": stories()} }
	case formatText:
		v.text = func(w io.Writer) {
			for _, s := range stories() {
				fmt.Fprint(w, s.Text)
			}
		}
	default:
		list.Rows = c.decisionRows(min(most, 100), pass)
		v.html = list
	}
	return v
}

// decisionPage is the whole story of one decision.
func (c *Console) decisionPage(s *state, seq uint64) view {
	var one *journal.Story
	var again *http.Request
	c.journal.Last(1, func(d *journal.Decision) bool { return d.Seq == seq }, func(d *journal.Decision) {
		told := d.Tell()
		one, again = &told, d.Asked()
	})
	if one == nil {
		gone := "this request is not kept any more, or never was"
		return view{
			status: http.StatusNotFound, title: "Decision", page: "decision", html: (*journal.Story)(nil),
			json: func() any { return map[string]string{"error": gone} }, text: func(w io.Writer) { fmt.Fprintln(w, gone) },
		}
	}
	if again != nil {
		one.Why = c.explain(again)
	}
	if one.Why != nil {
		one.WhyText = fmt.Sprint(one.Why)
		one.Note = "By the rules as they are now."
		if r := s.reload; r != nil && r.Loaded.After(one.Time) {
			one.Note = "By the rules as they are now: they were loaded anew since this request."
		}
		if one.Withheld {
			one.Note += " Headers with secrets are not kept, so rules that read them may be judged wrongly."
		}
	}
	return view{
		title: fmt.Sprint("Decision ", seq), page: "decision", html: one, json: func() any { return one },
		text: func(w io.Writer) {
			fmt.Fprint(w, one.Text)
			if one.Why != nil {
				fmt.Fprintf(w, "\n%s\n\n%s", one.Note, one.WhyText)
			}
		},
	}
}
