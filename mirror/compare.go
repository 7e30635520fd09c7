package mirror

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// An answer is what is compared of one.
type answer struct {
	status int // zero if there is none
	header http.Header
	body   []byte
	cut    bool // the body is not all of it
}

// compare waits for the answer to the request itself and holds that to the copy
// against it.
func (c *replica) compare(ctx context.Context, got answer) {
	var want answer
	select {
	case want = <-c.primary:
	case <-ctx.Done():
	}
	counts := &c.m.counts
	if want.status == 0 || got.status == 0 {
		counts.unclear.Add(1)
		return
	}
	differs := c.plan.differences(want, got)
	if len(differs) == 0 && (want.cut || got.cut) {
		counts.unclear.Add(1)
		return
	}
	counts.compared.Add(1)
	if len(differs) == 0 {
		return
	}
	counts.different.Add(1)
	if l := c.plan.Logger; l != nil && c.plan.compare.Sample.Hit(rand.Uint64()) {
		l.LogAttrs(ctx, slog.LevelInfo, "mirror: answers differ",
			slog.String("mirror", c.plan.name),
			slog.String("method", c.request.Method), slog.String("path", c.request.URL.Path),
			slog.Int("status", want.status), slog.Int("copy_status", got.status),
			slog.String("differ", strings.Join(differs, ", ")))
	}
}

// differences names what is not equal in two answers.
func (p *plan) differences(want, got answer) (names []string) {
	if want.status != got.status {
		names = append(names, "status")
	}
	for _, name := range p.compare.Headers {
		if !slices.Equal(want.header[name], got.header[name]) {
			names = append(names, name)
		}
	}
	if p.compare.Body && !want.cut && !got.cut && !p.sameBody(want, got) {
		names = append(names, "body")
	}
	return names
}

// sameBody compares bodies by their bytes and, if these differ and both are
// JSON, by what they say.
func (p *plan) sameBody(a, b answer) bool {
	if bytes.Equal(a.body, b.body) {
		return true
	}
	x, ok := parsed(a)
	if !ok {
		return false
	}
	y, ok := parsed(b)
	return ok && reflect.DeepEqual(p.pruned(x), p.pruned(y))
}

// parsed is a JSON body as a value, with numbers as they are written.
func parsed(a answer) (v any, ok bool) {
	if len(a.header["Content-Type"]) == 0 || !strings.Contains(a.header["Content-Type"][0], "json") {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.UseNumber()
	return v, d.Decode(&v) == nil && !d.More()
}

// pruned is v without the fields that may differ.
func (p *plan) pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			if p.fields[name] {
				delete(v, name)
			} else {
				v[name] = p.pruned(field)
			}
		}
	case []any:
		for i := range v {
			v[i] = p.pruned(v[i])
		}
	}
	return v
}

// A recording keeps the beginning of an answer's body.
type recording struct {
	answer
	most int64 // bytes; negative keeps none
}

func (r *recording) add(p []byte) {
	if r.cut || r.most < 0 {
		return
	}
	if int64(len(r.body)+len(p)) > r.most {
		r.cut, r.body = true, nil
		return
	}
	r.body = append(r.body, p...)
}

// record prepares for an answer to the request itself.
func (c *replica) record(status int, header http.Header) recording {
	r := recording{answer: answer{status: status}, most: -1}
	if c.plan.compare.Body {
		r.most = c.plan.compare.MaxBody
	}
	if len(c.plan.compare.Headers) > 0 || c.plan.compare.Body {
		r.header = header.Clone() // whoever asked may change theirs
	}
	return r
}
