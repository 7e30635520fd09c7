module github.com/sidecarless/mesh/conformance

go 1.26.0

require (
	github.com/sidecarless/mesh v0.0.0
	github.com/sidecarless/mesh/config v0.0.0
	github.com/stretchr/testify v1.12.1
	go.yaml.in/yaml/v3 v3.0.6
	google.golang.org/protobuf v1.36.12
	istio.io/api v1.31.1
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/golang/protobuf v1.5.4 // indirect
	github.com/sony/gobreaker/v2 v2.4.0 // indirect
	golang.org/x/time v0.16.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20251213004720-97cd9d5aeac2 // indirect
)

replace (
	github.com/sidecarless/mesh => ..
	github.com/sidecarless/mesh/config => ../config
	github.com/sidecarless/mesh/jwt => ../jwt
)
