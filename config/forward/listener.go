package forward

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// Server is a server for a handler of [New], for HTTP/1.1 and HTTP/2 without TLS.
// Nothing that the caller writes is answered before the handler but what is not
// HTTP; see [Listener] for that.
func Server(h http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{Handler: h, Protocols: protocols, DisableGeneralOptionsHandler: true}
}

// Listener makes the server that accepts from l say what Envoy says to callers
// whose requests net/http refuses before any handler sees them: to those that are
// not HTTP, whose headers are too large or whose transfer coding it does not know.
// It is for plain HTTP/1.1; below TLS it changes nothing.
func Listener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return conn{c}, nil
}

type conn struct{ net.Conn }

// refusalHeaders are all that net/http sends with a refusal of its own; an answer
// of a handler has a date.
const refusalHeaders = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// maxRefusal is more than a refusal of net/http's is long.
const maxRefusal = 256

// Write implements net.Conn. net/http writes a refusal in one go.
func (c conn) Write(p []byte) (int, error) {
	if len(p) > maxRefusal {
		return c.Conn.Write(p)
	}
	head, text, found := strings.Cut(string(p), refusalHeaders)
	status, isHead := strings.CutPrefix(head, "HTTP/1.1 ")
	if !found || !isHead {
		return c.Conn.Write(p)
	}
	reply := envoyReply(status, text)
	if reply == "" {
		return c.Conn.Write(p)
	}
	if _, err := io.WriteString(c.Conn, reply); err != nil {
		return 0, err
	}
	return len(p), nil
}

// envoyReply is what Envoy sends in place of net/http's refusal, or nothing if it
// is none. Its text repeats the status line, except for a transfer coding.
func envoyReply(status, text string) string {
	switch {
	case status == "501 Not Implemented" && text == "Unsupported transfer encoding":
		return localReply(status, "Not Implemented")
	case status != text:
		return ""
	case strings.HasPrefix(text, "431 "):
		return localReply(status, "Request Header Fields Too Large")
	case strings.HasPrefix(text, "400 ") && strings.HasSuffix(text, " missing required Host header"):
		// Envoy's parser lets in a request without a host, and its router answers.
		return localReply("400 Bad Request", "")
	case strings.HasPrefix(text, "400 "), strings.HasPrefix(text, "505 "):
		return localReply("400 Bad Request", "Bad Request")
	}
	return ""
}

func localReply(status, text string) string {
	head := "HTTP/1.1 " + status + "\r\nContent-Length: " + strconv.Itoa(len(text)) + "\r\n"
	if text != "" {
		head += "Content-Type: text/plain\r\n"
	}
	return head + "Connection: close\r\n\r\n" + text
}

// ReadFrom implements io.ReaderFrom, so that files are sent as fast as without.
func (c conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite lets the server send the end before it stops reading.
func (c conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
