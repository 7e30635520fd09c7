// Package rewrite changes requests and answers on their way, or gives the answer
// itself.
//
// A [Rewriter] changes the path, the host and headers of requests, and headers of
// answers:
//
//	reviews, err := rewrite.New(rewrite.Config{
//		Prefix: "/reviews", Path: "/api/v2", // /reviews/7?x=1 becomes /api/v2/7?x=1
//		Host:   "reviews.internal",
//		Request: []rewrite.Headers{{
//			Set:    http.Header{"X-Client": {"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}},
//			Remove: []string{"Cookie"},
//		}},
//	})
//	client.Transport = reviews.Transport(http.DefaultTransport)
//
// [CORS] answers the preflight requests of browsers and marks answers that a page
// of another origin may read. [Redirect] and [Reply] are answers; both are a
// RoundTripper and a Handler, to stand behind a route where a destination would.
//
// The rules are Envoy's, in what they do and in which order: headers are changed
// before path and host, so that they see the request as it came; within one level
// names are removed first, then set, then added. Paths are kept byte for byte,
// escapes included.
//
// # Commands in values
//
// Values that headers are set to may hold commands of Envoy's. A value that is
// empty in the end changes nothing; a command that finds nothing is empty.
//
//	%%                                               a per cent sign
//	%REQ(X?Y):Z%                                     header X of the request, or else Y, cut to Z bytes;
//	                                                 :method, :path, :authority and :scheme are known;
//	                                                 Y and Z may be left out, and Z may follow any command
//	%REQUEST_HEADER(X?Y):Z%                          the same
//	%PATH(X)%                                        path and query before rewrites; without the query if
//	                                                 X is NQ; WQ and no brackets are with it
//	%QUERY_PARAM(X)%                                 parameter X of the query
//	%QUERY_PARAMS%                                   the query
//	%PROTOCOL%                                       HTTP/1.1, HTTP/2
//	%START_TIME%                                     when the request began, such as 2026-01-02T15:04:05.000Z
//	%DURATION%                                       milliseconds since then
//	%HOSTNAME%                                       the name of this machine
//	%ROUTE_NAME%                                     the rule that was chosen
//	%UPSTREAM_CLUSTER%                               the destination that was chosen, as statistics name it
//	%UPSTREAM_CLUSTER_RAW%                           the same, as resources name it
//	%UPSTREAM_REQUEST_ATTEMPT_COUNT%                 how often the request was sent: 1 in headers of requests
//	%DOWNSTREAM_REMOTE_ADDRESS%                      who sent the request, with port
//	%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%
//	%DOWNSTREAM_REMOTE_PORT%
//	%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%               the same, and the proxy where a sidecar knows for whom it stands
//	%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%
//	%DOWNSTREAM_DIRECT_REMOTE_PORT%
//	%DOWNSTREAM_LOCAL_ADDRESS%                       where it came in
//	%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%
//	%DOWNSTREAM_LOCAL_PORT%
//	%REQUESTED_SERVER_NAME%                          the name asked for in TLS
//
// Others tell of the answer. In headers of requests, which come before it, they find
// nothing, but for a status of 0 and a dash for the flags:
//
//	%RESP(X?Y):Z%                                    header X of the answer, or else Y; :status is known
//	%RESPONSE_HEADER(X?Y):Z%                         the same
//	%RESPONSE_CODE%                                  its status
//	%RESPONSE_CODE_DETAILS%                          why it has that, such as via_upstream
//	%RESPONSE_FLAGS%                                 its flags, such as URX,UF, or a dash
//	%UPSTREAM_HOST%                                  the address of the server that answered
//	%UPSTREAM_REMOTE_ADDRESS%                        the same
//	%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%
//	%UPSTREAM_REMOTE_PORT%
//
// Any other command is a problem of the configuration. Addresses are those of the
// request that is served; a request that a program makes on its own has none.
package rewrite
