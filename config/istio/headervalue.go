package istio

import (
	"fmt"
	"strings"
)

// headerValueProblem says what is wrong with a value that headers are set to:
// text with variables of Envoy's, as "%START_TIME%" or "%REQ(x-id)%"; %% is one
// per cent sign.
func headerValueProblem(value string) string {
	for i := range len(value) {
		if b := value[i]; b < ' ' && b != '\t' || b == 0x7f {
			return fmt.Sprintf("must not hold the control character %#02x", b)
		}
	}
	for rest := value; ; {
		_, after, found := strings.Cut(rest, "%")
		switch {
		case !found:
			return ""
		case after == "":
			return "ends in a lone %; write %% for a per cent sign"
		case after[0] == '%':
			rest = after[1:]
			continue
		}
		var problem string
		if rest, problem = skipVariable(after); problem != "" {
			return problem
		}
	}
}

// skipVariable reads a variable from behind its first per cent sign to behind
// its last.
func skipVariable(s string) (rest, problem string) {
	end := strings.IndexAny(s, "%(")
	if end < 0 {
		return "", fmt.Sprintf("the variable %%%s has no end; write %%%% for a per cent sign", s)
	}
	if s[end] == '%' {
		return s[end+1:], ""
	}
	after, problem := skipArguments(s[end+1:])
	if problem != "" {
		return "", problem
	}
	after = strings.TrimLeft(after, " ")
	if !strings.HasPrefix(after, "%") {
		return "", fmt.Sprintf("the variable %%%s must end in %% after its arguments", s)
	}
	return after[1:], ""
}

// skipArguments reads arguments to behind their closing bracket: plain text, or
// a JSON list of strings.
func skipArguments(s string) (rest, problem string) {
	s = strings.TrimLeft(s, " ")
	inList := strings.HasPrefix(s, "[")
	if !inList {
		// The first character belongs to the argument, whatever it is.
		if s == "" {
			return "", "a variable has an opening bracket and no closing one"
		}
		s = s[1:]
	}
	for expectString := inList; ; expectString = true {
		if expectString {
			s = strings.TrimLeft(s[1:], " ") // behind the bracket or comma
			if !strings.HasPrefix(s, `"`) {
				return "", "the arguments of a variable must be strings in double quotes"
			}
			s = s[1:]
		}
		closed, after, problem := skipString(s)
		if problem != "" || closed {
			return after, problem
		}
		s = strings.TrimLeft(after, " ")
		switch {
		case strings.HasPrefix(s, ","):
			continue
		case strings.HasPrefix(s, "]"):
			s = strings.TrimLeft(s[1:], " ")
			if !strings.HasPrefix(s, ")") {
				return "", "the arguments of a variable must end in )"
			}
			return s[1:], ""
		}
		return "", "the arguments of a variable must be parted by commas and end in ]"
	}
}

// skipString reads a string to behind its quote, or to behind the bracket that
// closes all arguments, which Envoy takes for the end even in a string.
func skipString(s string) (closed bool, rest, problem string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) {
				return false, "", "ends in a lone backslash"
			}
		case ')':
			return true, s[i+1:], ""
		case '"':
			return false, s[i+1:], ""
		}
	}
	return false, "", "a variable has an opening bracket and no closing one"
}
