package cli

import (
	"fmt"
	"strconv"
	"time"
)

// Duration writes a time as people read it: 0.2s, 14s, 2m10s, 3h05m.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0.0s"
	case d < 9950*time.Millisecond:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	case d < time.Minute-time.Second/2:
		return strconv.Itoa(int(d.Round(time.Second).Seconds())) + "s"
	case d < time.Hour-time.Second/2:
		s := int(d.Round(time.Second).Seconds())
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	default:
		m := int(d.Round(time.Minute).Minutes())
		return fmt.Sprintf("%dh%02dm", m/60, m%60)
	}
}

// Size writes a number of bytes in decimal units: 512 B, 1.2 MB, 88 MB.
func Size(bytes int64) string {
	if bytes < 1000 {
		return strconv.FormatInt(bytes, 10) + " B"
	}
	value, units := float64(bytes)/1000, []string{"kB", "MB", "GB", "TB", "PB"}
	for value >= 999.5 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	if value < 9.95 {
		return strconv.FormatFloat(value, 'f', 1, 64) + " " + units[0]
	}
	return strconv.FormatFloat(value, 'f', 0, 64) + " " + units[0]
}

// Number writes a number with its thousands apart: 1,204.
func Number(n int) string {
	digits, sign := strconv.Itoa(n), ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Count writes a number and its noun: 1 table, 1,204 objects.
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return Number(n) + " " + noun
}
