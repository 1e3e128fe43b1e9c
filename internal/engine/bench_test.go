package engine_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/engine/enginetest"
	"plattr.dev/plattr/internal/testutil"
)

// size is the number of resources of the measured stack; with the stack itself and its provider there are two more.
const size = 24

func benchProgram() pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		for i := range size {
			f, err := enginetest.NewFile(ctx, "f"+strconv.Itoa(i), pulumi.Map{"content": pulumi.String("x")})
			if err != nil {
				return err
			}
			ctx.Export("size"+strconv.Itoa(i), f.Size)
		}
		return nil
	}
}

// noChange measures runs that change nothing and returns the mean.
func noChange(b *testing.B, p place, o engine.RunOptions) time.Duration {
	b.Helper()
	up(b, p, "dev", benchProgram(), engine.RunOptions{})
	b.ResetTimer()
	for b.Loop() {
		if res := up(b, p, "dev", benchProgram(), o); res.Changed() {
			b.Fatalf("changed %v", res.Changes)
		}
	}
	return b.Elapsed() / time.Duration(b.N)
}

func BenchmarkNoChange(b *testing.B) {
	noChange(b, newPlace(b), engine.RunOptions{})
}

func BenchmarkNoChangeRefresh(b *testing.B) {
	noChange(b, newPlace(b), engine.RunOptions{Refresh: true})
}

// BenchmarkNoChangeStock is the same through the Automation API and the stock CLI; x-linked is how many times longer it
// takes than the linked engine in the same process.
func BenchmarkNoChangeStock(b *testing.B) {
	cli := testutil.Tool(b, "pulumi")
	ours := newPlace(b)
	up(b, ours, "dev", benchProgram(), engine.RunOptions{})
	const runs = 20
	start := time.Now()
	for range runs {
		up(b, ours, "dev", benchProgram(), engine.RunOptions{})
	}
	linked := time.Since(start) / runs
	stock := noChange(b, newPlace(b, func(o *engine.Options) { o.Pulumi = &cli }), engine.RunOptions{})
	b.ReportMetric(float64(stock)/float64(linked), "x-linked")
	b.ReportMetric(float64(linked)/1e6, "ms-linked")
}

// BenchmarkFiftyStacks runs 50 stacks at once that change nothing. The peak is the whole process's.
func BenchmarkFiftyStacks(b *testing.B) {
	p := newPlace(b, func(o *engine.Options) {
		dirs := b.TempDir()
		o.Providers = map[string]func() plugin.Provider{enginetest.Package: enginetest.New(dirs)}
	})
	run := func() {
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				name := fmt.Sprintf("s%d", i)
				program := func(ctx *pulumi.Context) error {
					for j := range size {
						args := pulumi.Map{"name": pulumi.String(fmt.Sprintf("%s-%d", name, j))}
						if _, err := enginetest.NewFile(ctx, strconv.Itoa(j), args); err != nil {
							return err
						}
					}
					return nil
				}
				if _, err := p.Up(b.Context(), name, program, engine.RunOptions{}); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
	run()
	b.ResetTimer()
	for b.Loop() {
		run()
	}
	b.ReportMetric(peak(b), "peak-MB")
}

// peak returns the largest resident size that this process ever had, in MB; 0 where the system does not say.
func peak(b *testing.B) float64 {
	b.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")), 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb / 1024
		}
	}
	return 0
}
