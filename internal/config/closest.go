package config

import "strings"

// closest returns the known name that a misspelt one was meant to be, or "".
func closest(name string, known []string) string {
	best, distance := "", max(1, len(name)/3)+1
	for _, k := range known {
		if strings.EqualFold(plain(k), plain(name)) {
			return k
		}
		if d := edits(name, k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" && len(name) >= 3 {
		for _, k := range known {
			if strings.HasPrefix(k, name) { // prod for production
				return k
			}
		}
	}
	return best
}

// plain drops what people write differently: schema_name is schemaName.
func plain(s string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(s)
}

// edits counts the insertions, deletions, replacements and swaps of neighbours
// that turn a into b. Names longer than any field are not compared.
func edits(a, b string) int {
	const longest = 40
	if len(a) > longest {
		return len(a)
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
