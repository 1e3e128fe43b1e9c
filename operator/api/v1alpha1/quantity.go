package v1alpha1

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"
)

// The forms of sizes and durations, for JSON Schema too.
const (
	SizePattern     = `^[1-9][0-9]{0,11}(([kKMGT]|[KMGT]i)?B?)$`
	DurationPattern = `^([1-9][0-9]{0,3}d)?([1-9][0-9]{0,4}h)?([1-9][0-9]{0,6}m)?$`
)

// MaxDuration is the longest duration that ParseDuration takes: a year.
const MaxDuration = 365 * 24 * time.Hour

var (
	sizeForm     = regexp.MustCompile(`^([1-9][0-9]{0,11})([kKMGT]?)(i?)B?$`)
	durationForm = regexp.MustCompile(`^(?:([1-9][0-9]{0,3})d)?(?:([1-9][0-9]{0,4})h)?(?:([1-9][0-9]{0,6})m)?$`)
)

// ParseSize reads a size in bytes: a whole number and a unit, as in 500kB,
// 50MB, 10MiB or 2G; without a unit it counts bytes.
func ParseSize(s string) (int64, error) {
	m := sizeForm.FindStringSubmatch(s)
	if m == nil || m[2] == "" && m[3] != "" || m[2] == "k" && m[3] != "" {
		return 0, fmt.Errorf("%q is not a size: write it like 50MB or 10MiB", s)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read size %q: %w", s, err)
	}
	base := int64(1000)
	if m[3] != "" {
		base = 1024
	}
	for range map[string]int{"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}[m[2]] {
		if n > math.MaxInt64/base {
			return 0, fmt.Errorf("%q is larger than any file", s)
		}
		n *= base
	}
	return n, nil
}

// MaxBytes returns the limit of the bucket's objects in bytes, 0 for none.
func (b BucketSpec) MaxBytes() (int64, error) {
	if b.MaxFileSize == "" {
		return 0, nil
	}
	return ParseSize(b.MaxFileSize)
}

// ParseDuration reads a duration of days, hours and minutes, as in 5m, 72h, 3d
// or 1d12h, up to MaxDuration.
func ParseDuration(s string) (time.Duration, error) {
	m := durationForm.FindStringSubmatch(s)
	if m == nil || s == "" {
		return 0, fmt.Errorf("%q is not a duration: write it like 5m, 72h or 3d", s)
	}
	var total time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return 0, fmt.Errorf("read duration %q: %w", s, err)
		}
		total += time.Duration(n) * unit
	}
	if total > MaxDuration {
		return 0, fmt.Errorf("%q is longer than a year", s)
	}
	return total, nil
}
