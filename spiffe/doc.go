// Package spiffe takes the identity of a workload from the SPIFFE Workload API,
// such as that of SPIRE's agent, in place of files.
//
// The agent beside the workload finds out who it is and streams certificate, key
// and trust bundles to it, and new ones long before the old run out. A [Source] is
// what package mtls makes an identity of:
//
//	source, err := spiffe.New(spiffe.Config{Address: "unix:///run/spire/sockets/agent.sock"})
//	...
//	id, err := mtls.New(mtls.Config{Source: source, Aliases: []string{"partner.example"}})
//	...
//	go id.Run(ctx) // takes what the agent sends from now on
//
// Each trust domain has a bundle of its own, and only that vouches for its
// workloads. Bundles of federated domains that the agent sends let nobody in by
// themselves: the Aliases of the identity name the domains that are taken for this
// mesh's, as trustDomainAliases do in Istio. A bundle that the agent withdraws is
// out of force with its next message, also for sessions that are resumed.
//
// An identity that the agent withdraws stays in use until its certificate has run
// out, and so does one while the agent is away: who cannot say who it is any more
// finds no server that takes it. SPIFFE ids have to be of Istio's form,
// spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT, since policies name
// workloads by it.
package spiffe
