// Package build makes the objects that carry out a plan: tables of rules, the
// layers of each rule, and an upstream for each cluster, which outlives the plan
// it was made from.
package build
