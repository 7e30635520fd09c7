// Package route chooses a value for a request by hosts and ordered rules.
//
// The value is what should become of the request: another layer, a handler, or
// anything else that a program keeps in a [Table]. A [Rule] names the hosts it is
// for and describes requests; [Table.Lookup] finds the first rule that fits:
//
//	table, err := route.New(
//		route.ClientRule{Name: "beta", Match: []match.Request{{Headers: beta}}, Value: v2},
//		route.ClientRule{Name: "stable", Value: v1},
//	)
//	client := &http.Client{Transport: route.Transport(table)}
//
// First the host decides: the rules for the most specific host that fits the
// request's are looked at, and no others. A rule for "reviews.example.com" hides
// all rules for "*.example.com" from that host, also those it does not match
// itself. Then the order decides, as in Envoy and Istio: the first rule that fits
// is taken, however specific a later one is. [SortByPrecedence] makes of rules
// without an order, as the Gateway API has them, rules in order.
//
// Lookup does not walk through the rules. Those that ask for an exact path, an
// exact header, a method or the beginning of a path are found by an index, and
// only what no index can hold is tried one by one.
package route
