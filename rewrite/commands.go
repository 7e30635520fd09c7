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
func commandOf(name, arg string, hasArg bool) (command, error) {
	switch name {
	case "REQ", "REQUEST_HEADER":
		return headerCommand(name, arg, func(name string) command {
			key := match.HeaderKey(name)
			return func(s *scope) string {
				v, _ := key(s.r)
				return v
			}
		})
	case "RESP", "RESPONSE_HEADER":
		return headerCommand(name, arg, func(name string) command {
			if name == ":status" {
				return func(s *scope) string {
					if s.header == nil {
						return ""
					}
					return statusOf(s)
				}
			}
			name = http.CanonicalHeaderKey(name)
			return func(s *scope) string { return first(s.header[name]) }
		})
	case "QUERY_PARAM":
		if arg == "" {
			return nil, fmt.Errorf("the command %%QUERY_PARAM()%% needs the name of a parameter")
		}
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
	if name == "HOSTNAME" {
		host, err := os.Hostname()
		if err != nil {
			host = "-"
		}
		return func(*scope) string { return host }, nil
	}
	if c, ok := ofRequests[name]; ok {
		return c, nil
	}
	if c, ok := recorded[name]; ok {
		return c, nil
	}
	if c, ok := ofAnswers[name]; ok {
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

// ofRequests are the commands that read the request itself.
var ofRequests = map[string]command{
	"DOWNSTREAM_DIRECT_REMOTE_ADDRESS":              direct,
	"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": hostOf(direct),
	"DOWNSTREAM_DIRECT_REMOTE_PORT":                 portOf(direct),
	"DOWNSTREAM_LOCAL_ADDRESS":                      local,
	"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT":         hostOf(local),
	"DOWNSTREAM_LOCAL_PORT":                         portOf(local),
	"DOWNSTREAM_REMOTE_ADDRESS":                     remote,
	"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT":        hostOf(remote),
	"DOWNSTREAM_REMOTE_PORT":                        portOf(remote),
	"PROTOCOL":                                      protocol,
	"QUERY_PARAMS":                                  func(s *scope) string { return s.r.URL.RawQuery },
	"REQUESTED_SERVER_NAME":                         serverName,
}

func serverName(s *scope) string {
	if s.r.TLS == nil {
		return ""
	}
	return s.r.TLS.ServerName
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

func direct(s *scope) string { return s.r.RemoteAddr }

// remote is whoever the caller's proxies say it is, where they are believed.
func remote(s *scope) string {
	if f := record(s.r); f != nil && f.More != nil && f.More.Remote != "" {
		return f.More.Remote
	}
	return direct(s)
}

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
