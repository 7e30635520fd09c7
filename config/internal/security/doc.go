// Package security makes of Istio's security resources what a server carries out:
// the modes of mutual TLS on its ports and the policies by which it judges
// requests.
package security
