package console

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sidecarless/mesh/console/internal/words"
)

// A weightsPage is all splits.
type weightsPage struct {
	Splits []splitRow `json:"splits"`
	Token  string     `json:"token,omitempty"` // empty: nothing can be changed
	Said   string     `json:"-"`
}

type splitRow struct {
	Name     string      `json:"name"`
	Settable bool        `json:"settable"`
	Branches []branchRow `json:"branches"`
}

type branchRow struct {
	Name   string `json:"name"`
	Weight uint32 `json:"weight"`
	Share  string `json:"share"`
}

func (s *Split) row() splitRow {
	row := splitRow{Name: s.Name, Settable: s.Set != nil}
	total := 0.0
	for name, weight := range s.Weights() {
		row.Branches = append(row.Branches, branchRow{Name: name, Weight: weight})
		total += float64(weight)
	}
	for i := range row.Branches {
		row.Branches[i].Share = words.Percent(100 * float64(row.Branches[i].Weight) / max(total, 1))
	}
	return row
}

func (c *Console) weights(_ *state, r *http.Request) view {
	p := weightsPage{Splits: []splitRow{}, Said: r.URL.Query().Get("changed")}
	for i := range c.config.Splits {
		p.Splits = append(p.Splits, c.config.Splits[i].row())
	}
	if c.config.Change != nil {
		p.Token = c.token
	}
	return view{
		title: "Weights", page: "weights", html: p,
		json: func() any { return p },
		text: func(w io.Writer) {
			for _, s := range p.Splits {
				for _, b := range s.Branches {
					fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", s.Name, b.Name, b.Weight, b.Share)
				}
			}
		},
	}
}

// maxForm is how long a form may be.
const maxForm = 64 << 10

// changeWeights sets the weights of one split: a form with its name as split, and
// branch and weight for each of its branches in their order.
func (c *Console) changeWeights(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "console: "+err.Error(), http.StatusBadRequest)
		return
	}
	if why := c.refusesChange(r); why != "" {
		http.Error(w, "console: "+why, http.StatusForbidden)
		return
	}
	name := r.PostForm.Get("split")
	if err := c.setWeights(name, r.PostForm["branch"], r.PostForm["weight"]); err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errStale) {
			status = http.StatusConflict
		}
		http.Error(w, "console: "+err.Error(), status)
		return
	}
	if formatOf(r) == formatHTML {
		w.Header().Set("Location", "weights?changed="+url.QueryEscape(name))
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	fmt.Fprintln(w, "changed")
}

var errStale = errors.New("the split has other branches by now")

func (c *Console) setWeights(name string, branches, weights []string) error {
	c.change.Lock()
	defer c.change.Unlock()
	for i := range c.config.Splits {
		s := &c.config.Splits[i]
		if s.Name != name {
			continue
		}
		if s.Set == nil {
			return fmt.Errorf("the weights of %s cannot be set", name)
		}
		var set []uint32
		for branch := range s.Weights() {
			n := len(set)
			if n >= len(branches) || branches[n] != branch {
				return errStale
			}
			if n >= len(weights) {
				return errors.New("a weight is missing")
			}
			weight, err := strconv.ParseUint(weights[n], 10, 32)
			if err != nil {
				return fmt.Errorf("the weight of %s: %q is no number from 0 to 4294967295", branch, weights[n])
			}
			set = append(set, uint32(weight))
		}
		if len(branches) != len(set) {
			return errStale
		}
		return s.Set(set)
	}
	return fmt.Errorf("there is no split %q", cmp.Or(name, "without a name"))
}
