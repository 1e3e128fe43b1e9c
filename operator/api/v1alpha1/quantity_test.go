package v1alpha1_test

import (
	"regexp"
	"testing"
	"time"

	"plattr.dev/plattr/operator/api/v1alpha1"
)

func TestParseSize(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, in string
		want       int64
		wantErr    bool
	}{
		"Bytes":    {reason: "No unit means bytes.", in: "12", want: 12},
		"Decimal":  {reason: "MB counts in thousands.", in: "50MB", want: 50_000_000},
		"Kilo":     {reason: "Both spellings of kilo are common.", in: "5kB", want: 5000},
		"Binary":   {reason: "MiB counts in 1024.", in: "10MiB", want: 10 << 20},
		"Short":    {reason: "Kubernetes leaves the B out.", in: "2Gi", want: 2 << 30},
		"Zero":     {reason: "No file fits.", in: "0MB", wantErr: true},
		"Lower":    {reason: "mb could be bits.", in: "50mb", wantErr: true},
		"LoneI":    {reason: "A prefix is missing.", in: "5iB", wantErr: true},
		"Overflow": {reason: "Must not wrap around.", in: "999999999999TB", wantErr: true},
		"Negative": {reason: "A size is positive.", in: "-1", wantErr: true},
		"Empty":    {reason: "Nothing is no size.", in: "", wantErr: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := v1alpha1.ParseSize(tc.in)
			if got != tc.want || (err != nil) != tc.wantErr {
				t.Errorf("%s\nParseSize(%q) = %d, %v", tc.reason, tc.in, got, err)
			}
		})
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, in string
		want       time.Duration
		wantErr    bool
	}{
		"Minutes": {reason: "Short previews.", in: "5m", want: 5 * time.Minute},
		"Hours":   {reason: "The default.", in: "72h", want: 72 * time.Hour},
		"Days":    {reason: "Go has no days, people do.", in: "3d", want: 72 * time.Hour},
		"Sum":     {reason: "Units in falling order add up.", in: "1d12h", want: 36 * time.Hour},
		"Seconds": {reason: "No preview lives for seconds.", in: "30s", wantErr: true},
		"Order":   {reason: "Rising order is a typing error.", in: "5m2h", wantErr: true},
		"Long":    {reason: "A preview for ever is a leak.", in: "400d", wantErr: true},
		"Empty":   {reason: "Nothing is no duration.", in: "", wantErr: true},
		"Number":  {reason: "Without a unit nobody knows.", in: "72", wantErr: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := v1alpha1.ParseDuration(tc.in)
			if got != tc.want || (err != nil) != tc.wantErr {
				t.Errorf("%s\nParseDuration(%q) = %s, %v", tc.reason, tc.in, got, err)
			}
		})
	}
}

func FuzzQuantities(f *testing.F) {
	for _, s := range []string{"50MB", "10MiB", "5iB", "5ki", "72h", "1d12h", "", "0"} {
		f.Add(s)
	}
	size, duration := regexp.MustCompile(v1alpha1.SizePattern), regexp.MustCompile(v1alpha1.DurationPattern)
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := v1alpha1.ParseSize(s); err == nil && (n < 1 || !size.MatchString(s)) {
			t.Errorf("size %q = %d, but the pattern refuses it", s, n)
		}
		if d, err := v1alpha1.ParseDuration(s); err == nil && (d < time.Minute || !duration.MatchString(s)) {
			t.Errorf("duration %q = %s, but the pattern refuses it", s, d)
		}
	})
}
