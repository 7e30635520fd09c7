module github.com/sidecarless/mesh/cmd/mesh

go 1.26.0

require (
	github.com/sidecarless/mesh v0.0.0
	github.com/sidecarless/mesh/config v0.0.0
)

replace (
	github.com/sidecarless/mesh => ../..
	github.com/sidecarless/mesh/config => ../../config
)
