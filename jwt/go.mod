module github.com/sidecarless/mesh/jwt

go 1.26.0

require (
	github.com/go-jose/go-jose/v4 v4.1.8
	github.com/sidecarless/mesh v0.0.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/sidecarless/mesh => ..
