// Command soak sends requests through this library for a long time, while
// everything around them changes, and checks that nothing is lost and nothing grows.
//
//	go run ./bench/soak                     an hour
//	go run ./bench/soak -for 1m -rate 500   less, and harder
//
// Four services are asked, each by a client made from Istio's resources and by an
// upstream made in code: two over HTTP/1.1 and two over HTTP/2. Every second each
// service gets a new server and loses its oldest, and both clients take a new
// configuration. Two services are calm: their servers answer, and leave only when
// they have been taken out of the configuration. The other two are rough: servers
// answer 503, break off before and within answers, are late, die without notice,
// and one of them fails always, until it is ejected; faults are injected on top.
// Callers of all give up now and then, leave answers unread, and send bodies.
//
// At each sample the load pauses. Then no request may be under way, and each that
// was sent must have ended in a way that is expected of its service (for the calm
// ones that is the whole answer) and have been told once to the access log. From
// the samples follow straight lines of the live heap and of the goroutines: that
// they grow is an error. In the end everything is closed, and no goroutine may be
// left.
package main
