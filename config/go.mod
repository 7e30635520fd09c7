module github.com/sidecarless/mesh/config

go 1.26.0

require github.com/sidecarless/mesh v0.0.0

replace github.com/sidecarless/mesh => ..
