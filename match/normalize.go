package match

import "strings"

// PathOptions say what [NormalizePath] does to a path. They are those of Envoy's
// connection manager.
type PathOptions uint8

const (
	// ResolveDots decodes escapes of unreserved characters, resolves the segments
	// "." and "..", makes slashes of backslashes and escapes what a path may not
	// hold (normalize_path).
	ResolveDots PathOptions = 1 << iota
	// MergeSlashes makes one slash of several (merge_slashes).
	MergeSlashes
	// DecodeSlashes decodes %2F and %5C before all else
	// (path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD).
	DecodeSlashes
	// RejectSlashes refuses paths with %2F or %5C (REJECT_REQUEST).
	RejectSlashes
)

// The modes of Istio's mesh-wide setting pathNormalization.
const (
	PathNone                  PathOptions = 0
	PathBase                              = ResolveDots // Istio's default
	PathMergeSlashes                      = ResolveDots | MergeSlashes
	PathDecodeAndMergeSlashes             = ResolveDots | MergeSlashes | DecodeSlashes
)

// NormalizePath is the path that Envoy would match and send on, and false if it
// would refuse the request with 400: for a path that does not begin with a slash,
// an escape that is none, a byte outside of ASCII, a fragment, and, when dots are
// resolved, an escaped NUL. A query after the path stays as it is. A path that is
// normal already is returned as it is, without allocation.
func NormalizePath(path string, do PathOptions) (string, bool) {
	if isNormal(path) {
		return path, true
	}
	full := path
	query := strings.IndexByte(path, '?')
	if query < 0 {
		query = len(path)
	}
	path = full[:query]
	if !sendable(path) || strings.IndexByte(full, '#') >= 0 {
		return "", false
	}
	if do&(DecodeSlashes|RejectSlashes) != 0 && hasEscapedSlash(path) {
		if do&RejectSlashes != 0 {
			return "", false
		}
		path = escapedSlashes.Replace(path)
	}
	if do&ResolveDots != 0 {
		var ok bool
		if path, ok = resolve(path); !ok {
			return "", false
		}
	}
	if do&MergeSlashes != 0 && strings.Contains(path, "//") {
		path = mergeSlashes(path)
	}
	if path == full[:query] {
		return full, true
	}
	return path + full[query:], true
}

// isNormal reports whether there is nothing in path that any normalization looks at,
// as in most paths.
func isNormal(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	const ( // by the upper two bits of a byte
		first  uint64 = 1<<33 - 1 | 1<<'#' | 1<<'%' | 1<<'?' | 1<<'"' | 1<<'<' | 1<<'>' // controls and the space
		second uint64 = 1<<('\\'-64) | 1<<('^'-64) | 1<<('`'-64) | 1<<('{'-64) | 1<<('|'-64) | 1<<('}'-64) | 1<<(0x7f-64)
	)
	before := byte(0)
	for i := range len(path) {
		c := path[i]
		switch c / 64 {
		case 0:
			if first>>c&1 != 0 || before == '/' && (c == '/' || c == '.') {
				return false
			}
		case 1:
			if second>>(c-64)&1 != 0 {
				return false
			}
		default:
			return false
		}
		before = c
	}
	return true
}

// sendable reports whether path is what a request line may hold.
func sendable(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := range len(path) {
		c := path[i]
		if c <= ' ' || c >= 0x7f || c == '%' && (i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2])) {
			return false
		}
	}
	return true
}

var escapedSlashes = strings.NewReplacer("%2F", "/", "%2f", "/", "%5C", `\`, "%5c", `\`)

func hasEscapedSlash(path string) bool {
	for i := range len(path) {
		if path[i] == '%' {
			if c := unescape(path[i:]); c == '/' || c == '\\' {
				return true
			}
		}
	}
	return false
}

// mergeSlashes leaves the slashes at both ends of the path, as Envoy does, so
// that "///" becomes "//".
func mergeSlashes(path string) string {
	var b strings.Builder
	for segment := range strings.SplitSeq(path, "/") {
		if segment != "" {
			b.WriteByte('/')
			b.WriteString(segment)
		}
	}
	if b.Len() == 0 {
		return "//"
	}
	if path[len(path)-1] == '/' {
		b.WriteByte('/')
	}
	return b.String()
}
