package engine

import "github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

// Counts is counts, for tests that get Pulumi's operations from elsewhere.
func Counts(changes map[string]int) map[string]int {
	ops := map[apitype.OpType]int{}
	for op, n := range changes {
		ops[apitype.OpType(op)] = n
	}
	return counts(ops)
}
