package rewrite

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/sidecarless/mesh/match"
)

// commandOf is the command of that name.
func commandOf(name, arg string, hasArg, answer bool) (command, error) {
	switch name {
	case "REQ":
		return headerCommand(name, arg, func(name string) command {
			key := match.HeaderKey(name)
			return func(s *scope) string {
				v, _ := key(s.r)
				return v
			}
		})
	case "RESP":
		if !answer {
			return nil, fmt.Errorf("the command %%RESP%% is for headers of answers")
		}
		return headerCommand(name, arg, func(name string) command {
			if name == ":status" {
				return statusOf
			}
			name = http.CanonicalHeaderKey(name)
			return func(s *scope) string { return first(s.header[name]) }
		})
	case "QUERY_PARAM":
		key := match.QueryKey(arg)
		return func(s *scope) string {
			v, _ := key(s.r)
			return v
		}, nil
	case "PATH":
		if c, ok := paths[arg]; ok {
			return c, nil
		}
	}
	if hasArg {
		return nil, fmt.Errorf("the command %%%s%% with arguments is not known", name)
	}
	if c, ok := commands(name); ok {
		return c, nil
	}
	if c, ok := recorded[name]; ok {
		return c, nil
	}
	if c, ok := ofAnswers[name]; ok {
		if !answer {
			return nil, fmt.Errorf("the command %%%s%% is for headers of answers", name)
		}
		return c, nil
	}
	return nil, fmt.Errorf("the command %%%s%% is not known", name)
}

// paths are the arguments of PATH, the path as it was before rewrites: with the query
// or without it.
var paths = map[string]command{
	"":   target,
	"WQ": target,
	"NQ": func(s *scope) string {
		path, _, _ := strings.Cut(target(s), "?")
		return path
	},
}

func target(s *scope) string {
	if before := first(s.r.Header[originalPath]); before != "" {
		return before
	}
	v := match.ViewOf(s.r)
	return v.Target()
}

// headerCommand reads "X?Y": header X or, if that is not there, Y.
func headerCommand(name, arg string, read func(string) command) (command, error) {
	main, other, hasOther := strings.Cut(arg, "?")
	if !isName(main) || hasOther && !isName(other) {
		return nil, fmt.Errorf("the command %%%s(%s)%% needs the name of a header", name, arg)
	}
	c := read(main)
	if !hasOther {
		return c, nil
	}
	d := read(other)
	return func(s *scope) string {
		if v := c(s); v != "" {
			return v
		}
		return d(s)
	}, nil
}

// isName reports whether s can name a header or a part of a request.
func isName(s string) bool { return isToken(strings.TrimPrefix(s, ":")) }

func commands(name string) (command, bool) {
	switch name {
	case "PROTOCOL":
		return protocol, true
	case "HOSTNAME":
		host, err := os.Hostname()
		if err != nil {
			host = "-"
		}
		return func(*scope) string { return host }, true
	case "DOWNSTREAM_REMOTE_ADDRESS", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS":
		return remote, true
	case "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT":
		return hostOf(remote), true
	case "DOWNSTREAM_REMOTE_PORT", "DOWNSTREAM_DIRECT_REMOTE_PORT":
		return portOf(remote), true
	case "DOWNSTREAM_LOCAL_ADDRESS":
		return local, true
	case "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT":
		return hostOf(local), true
	case "DOWNSTREAM_LOCAL_PORT":
		return portOf(local), true
	case "QUERY_PARAMS":
		return func(s *scope) string { return s.r.URL.RawQuery }, true
	case "REQUESTED_SERVER_NAME":
		return func(s *scope) string {
			if s.r.TLS == nil {
				return ""
			}
			return s.r.TLS.ServerName
		}, true
	}
	return nil, false
}

func protocol(s *scope) string {
	switch {
	case s.r.ProtoMajor == 2:
		return "HTTP/2"
	case s.r.Proto == "": // a client's request
		return "HTTP/1.1"
	}
	return s.r.Proto
}

func remote(s *scope) string { return s.r.RemoteAddr }

func local(s *scope) string {
	if a, ok := s.r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a.String()
	}
	return ""
}

func hostOf(addr command) command {
	return func(s *scope) string {
		host, _, err := net.SplitHostPort(addr(s))
		if err != nil {
			return addr(s)
		}
		return host
	}
}

func portOf(addr command) command {
	return func(s *scope) string {
		_, port, _ := net.SplitHostPort(addr(s))
		return port
	}
}

func first(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}
