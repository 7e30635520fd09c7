package spiffe_test

import (
	"context"
	"fmt"

	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/mtls"
	"github.com/sidecarless/mesh/spiffe"
)

// A workload that learns from the agent beside it who it is.
func Example() {
	agent := startAgent() // in a cluster it is there already
	defer agent.remove()
	ca := certtest.NewCA()
	agent.send(only(identity(ca, frontendID, ca)))

	source, err := spiffe.New(spiffe.Config{Address: agent.address()})
	if err != nil {
		fmt.Println(err)
		return
	}
	identity, err := mtls.New(mtls.Config{Source: source})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- identity.Run(ctx) }() // takes what the agent sends from now on

	fmt.Println(identity.ID())
	cancel()
	fmt.Println(<-ended)
	// Output:
	// spiffe://cluster.local/ns/shop/sa/frontend
	// context canceled
}
