package rewrite

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// A scope is what commands read from.
type scope struct {
	r      *http.Request
	header http.Header // of the answer; nil for a request
	status int         // of the answer; zero for a request
	err    error       // that the answer stands for; nil if a server gave it
}

// A command computes a part of a value.
type command func(*scope) string

// A template is a value with commands. Its zero value is the empty text.
type template struct {
	text  string // if there are no parts
	parts []part
}

// A part is a text, or a command if that is not nil.
type part struct {
	text    string
	command command
}

func (t *template) eval(s *scope) string {
	if t.parts == nil {
		return t.text
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.command != nil {
			b.WriteString(p.command(s))
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// parseTemplate reads a value.
func parseTemplate(value string) (t template, err error) {
	var text strings.Builder
	for rest := value; rest != ""; {
		before, after, found := strings.Cut(rest, "%")
		text.WriteString(before)
		if !found {
			break
		}
		if strings.HasPrefix(after, "%") {
			text.WriteByte('%')
			rest = after[1:]
			continue
		}
		var c command
		if c, rest, err = parseCommand(after); err != nil {
			return template{}, err
		}
		if text.Len() > 0 {
			t.parts = append(t.parts, part{text: text.String()})
			text.Reset()
		}
		t.parts = append(t.parts, part{command: c})
	}
	switch {
	case t.parts == nil:
		t.text = text.String()
	case text.Len() > 0:
		t.parts = append(t.parts, part{text: text.String()})
	}
	return t, nil
}

// parseCommand reads a command from behind its first per cent sign to behind its
// last.
func parseCommand(s string) (c command, rest string, err error) {
	n := 0
	for n < len(s) && (s[n] == '_' || 'A' <= s[n] && s[n] <= 'Z' || '0' <= s[n] && s[n] <= '9') {
		n++
	}
	name, rest := s[:n], s[n:]
	if name == "" {
		return nil, "", fmt.Errorf("a lone %% is no text; write %%%% for a per cent sign")
	}
	var arg string
	hasArg := strings.HasPrefix(rest, "(")
	if hasArg {
		var closed bool
		if arg, rest, closed = strings.Cut(rest[1:], ")"); !closed {
			return nil, "", fmt.Errorf("the command %%%s has a bracket that is not closed", name)
		}
	}
	length := -1
	if strings.HasPrefix(rest, ":") {
		n := 1
		for n < len(rest) && '0' <= rest[n] && rest[n] <= '9' {
			n++
		}
		if length, err = strconv.Atoi(rest[1:n]); err != nil {
			return nil, "", fmt.Errorf("the command %%%s has a length that is no number", name)
		}
		rest = rest[n:]
	}
	if !strings.HasPrefix(rest, "%") {
		return nil, "", fmt.Errorf("the command %%%s does not end in %%; write %%%% for a per cent sign", name)
	}
	if c, err = commandOf(name, arg, hasArg); err != nil {
		return nil, "", err
	}
	if length >= 0 {
		whole := c
		c = func(s *scope) string {
			v := whole(s)
			return v[:min(length, len(v))]
		}
	}
	return c, rest[1:], nil
}
