package authz

import (
	"net/netip"

	"github.com/sidecarless/mesh/match"
)

// An Action is what a policy does with the requests that it matches.
type Action uint8

const (
	Allow  Action = iota // permit; what no such policy permits is refused
	Deny                 // refuse, whatever is permitted elsewhere
	Audit                // note only
	Custom               // ask [Config.Ask]
)

// String is the action as Istio writes it.
func (a Action) String() string {
	switch a {
	case Allow:
		return "ALLOW"
	case Deny:
		return "DENY"
	case Audit:
		return "AUDIT"
	case Custom:
		return "CUSTOM"
	}
	return "unknown"
}

// A Policy matches what one of its rules matches. Without rules it matches
// nothing, and so a policy that allows then keeps everybody out.
type Policy struct {
	Name   string
	Action Action
	Rules  []Rule
	DryRun bool // decide nothing, and count what it would have decided
}

// A Rule matches requests from one of From, to one of To, for which all of When
// hold. What is empty holds always.
type Rule struct {
	From []Source
	To   []Operation
	When []Condition
}

// A Set accepts a value that one of In accepts, where there are any, and none of
// NotIn does. A value that is not there is accepted by none of them.
type Set struct{ In, NotIn []match.Value }

// Nets is a [Set] of addresses.
type Nets struct{ In, NotIn []netip.Prefix }

// Ports is a [Set] of ports.
type Ports struct{ In, NotIn []uint16 }

// A Source is who asks. All of it must hold; what is empty holds always.
type Source struct {
	Principals        Set  // SPIFFE ids without "spiffe://"
	Namespaces        Set  // of the principal
	ServiceAccounts   Set  // of the principal, as namespace/name
	TrustDomains      Set  // of the principal
	RequestPrincipals Set  // whom a verified token speaks for, as [RequestPrincipal] writes it
	Peers             Nets // the address of the connection
	Remotes           Nets // the address of the first client, see [Config.TrustedHops]
}

// RequestPrincipal is the issuer and the subject of a token as the values of
// Source.RequestPrincipals have them, so that no part of one can pass for a part
// of the other: a prefix of RequestPrincipal(issuer, "") are all subjects of that
// issuer, and a suffix of RequestPrincipal("", subject) is that subject of any.
func RequestPrincipal(issuer, subject string) string { return issuer + "\x00" + subject }

// An Operation is what is asked. All of it must hold; what is empty holds always.
type Operation struct {
	Hosts   Set   // as sent, with the port if there is one, in upper or lower case
	Ports   Ports // of this server
	Methods Set
	Paths   Set // without the query, normalized
}

// A Condition is a further attribute of a request. The keys are those of Istio:
//
//	request.headers[NAME]        any line of the header
//	source.ip, remote.ip         see Nets
//	source.principal, source.namespace, source.serviceAccount, source.trustDomain
//	request.auth.principal       see [RequestPrincipal]
//	request.auth.audiences, request.auth.presenter
//	request.auth.claims[A][B]    a claim that is a text, or any text of a list
//	destination.ip, destination.port, connection.sni
type Condition struct {
	Key    string
	Values Set
	Nets   Nets // for source.ip, remote.ip and destination.ip
}
