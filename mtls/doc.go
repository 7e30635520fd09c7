// Package mtls gives a process the identity of its workload, and lets it see who
// calls.
//
// In a mesh every workload has a certificate that names it by a SPIFFE id, such
// as spiffe://cluster.local/ns/shop/sa/frontend, signed by a root that the mesh
// trusts. An [Identity] reads certificate, key and roots from files or from a
// [Source], takes new ones when they change, and makes TLS configurations of them:
//
//	id, err := mtls.New(mtls.Config{CertFile: "cert.pem", KeyFile: "key.pem", RootsFile: "roots.pem"})
//	...
//	go id.Run(ctx) // takes new files when they are good
//	listener = id.Listener(listener, func(uint16) mtls.Mode { return mtls.Strict })
//	server.Handler = id.Handler(mux) // mtls.Peer(r) is who calls
//
// and for a client a configuration that accepts only the ids it expects:
//
//	server := mtls.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "reviews"}
//	reviews, err := upstream.New(upstream.Config{…, TLS: id.Client(server)})
//
// A Source can bring roots that sign for one trust domain each, as federated meshes
// have them. The domains besides the mesh's own that may call are its Aliases.
//
// Both sides verify the other's chain against the roots of the moment, also when a
// session is resumed: a session does not outlive the root that it was begun with.
package mtls
