// Package match tells whether a request fits a description, and reads keys
// from requests.
//
// A [Value] describes a string: exactly this, beginning with that, matching a
// regular expression. A [Request] puts values on the parts of a request, all of
// which must hold; it is plain data, to be written in Go or read from a file.
// [New] compiles one or several into a [Matcher] and reports everything that is
// wrong with them:
//
//	beta, err := match.New(
//		match.Request{Headers: []match.Field{{Name: "User-Group", Value: match.Exact("beta-testers")}}},
//		match.Request{Path: match.Prefix("/beta/")},
//	)
//	…
//	if beta.Match(r) { … }
//
// Requests are looked at as Envoy looks at them, from both sides: a request that
// a client is about to send and one that a handler has got. The path is the path
// as sent, without the query and not decoded. Host is the authority as sent, with
// its port. Header names are compared without regard to case. A header that comes
// on several lines is judged line by line, never joined. Query parameters are
// taken raw, and of several with one name only the first counts.
//
// Matching allocates nothing, except where ":path" is asked of a request to be
// sent that has a query. A [View] lets several matchers look at one request
// and take it apart once.
package match
