package match

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/internal/check"
)

// Explain says in words which condition of a the request r does not meet first,
// such as `path "/v2/x": want prefix "/v1/"`. It is empty if r fits.
func (a Request) Explain(r *http.Request) string {
	var l check.List
	all := compileRequest(&a, &l)
	if err := l.Err(); err != nil {
		return err.Error()
	}
	v := ViewOf(r)
	i := firstFailing(all, &v)
	if i < 0 {
		return ""
	}
	return all[i].explain(&v)
}

func (c *condition) explain(v *View) string {
	want := "want " + c.value.String()
	if c.value.IsZero() {
		want = "want " + Present().String()
	}
	if c.without {
		want = "want none that is " + strings.TrimPrefix(want, "want ")
	}
	switch c.part {
	case partPort:
		return fmt.Sprintf("port %d: want %d", v.Port(), c.port)
	case partHeader:
		return "header " + c.name + " " + found(v.r.Header[c.name]) + ": " + want
	case partClaim:
		return "claim " + strings.ReplaceAll(c.name, claimStep, ".") + " " + found(c.claimLines(v)) + ": " + want
	case partQuery:
		var lines []string
		if value, ok := v.Query(c.name); ok {
			lines = []string{value}
		}
		return "query parameter " + c.name + " " + found(lines) + ": " + want
	}
	return partNames[c.part] + " " + strconv.Quote(c.read(v)) + ": " + want
}

// found is what a request has for a name, in words.
func found(lines []string) string {
	if len(lines) == 0 {
		return "absent"
	}
	quoted := make([]string, len(lines))
	for i, line := range lines {
		quoted[i] = strconv.Quote(textproto.TrimString(line))
	}
	return strings.Join(quoted, ", ")
}

var partNames = [...]string{
	partMethod: "method",
	partScheme: "scheme",
	partHost:   "host",
	partPath:   "path",
	partTarget: "path with query",
}
