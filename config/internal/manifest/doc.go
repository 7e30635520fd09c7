// Package manifest reads files of YAML objects as a Kubernetes API server would:
// documents and Lists, YAML 1.1 scalars, merge keys, metadata. It knows where
// everything stands, and bounds what a document can cost.
package manifest
