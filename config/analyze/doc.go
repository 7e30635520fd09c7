// Package analyze finds in a mesh's resources what is wrong, or right and not
// what its author thinks.
//
// It says what istioctl analyze says, with its codes (IST0101 and their like),
// as far as documents alone can tell, and adds what that does not find and
// people trip over, with codes of its own (MESH0101 and on): rules that earlier
// ones hide, retries that cannot fit their timeout, ejection that can never
// happen, subsets without endpoints, weights that send a canary nothing.
//
//	for _, f := range analyze.Files("mesh.d") {
//		fmt.Printf("%s:%d %s %s\n", f.File, f.Line, f.Code, f.Message)
//	}
//
// [Files] reads and analyzes files and folders; [Config] analyzes what was read
// already. Each [Finding] says where it is, what will happen, and what to do.
package analyze
