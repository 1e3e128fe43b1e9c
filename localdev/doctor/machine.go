package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/programs"
	"plattr.dev/plattr/localdev/state"
)

// Sizes in bytes below which something is said.
const (
	littleDisk   = 2 << 30
	noDisk       = 300 << 20
	memoryOfAll  = 1200 << 20 // all services
	memoryOfLess = 200 << 20  // a database alone
)

func (d *doctor) machine() {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if platform == "linux/amd64" {
		d.ok("machine", fmt.Sprintf("%s, %d processors", platform, runtime.NumCPU()))
	} else {
		d.add(Finding{
			Check: "machine", Status: Warning, Detail: platform + ": plattr is tested on linux/amd64 only",
			Fix: "report what does not work",
		})
	}
}

// memory comes after the services: what they have is not available any more.
func (d *doctor) memory() {
	free, known := availableMemory()
	if !known {
		return
	}
	need := int64(memoryOfLess)
	if d.App == nil || d.App.AuthEnabled() || d.App.SearchEnabled() {
		need = memoryOfAll
	}
	detail := cli.Size(free) + " of memory available"
	if free < need && len(d.status.Services) == 0 {
		d.add(Finding{
			Check: "memory", Status: Warning, Detail: detail + ", the services want " + cli.Size(need),
			Fix: "end other programs, or leave auth and search off",
		})
		return
	}
	d.ok("memory", detail)
}

// availableMemory is what the system can give without swapping (MemAvailable of proc_meminfo(5)).
func availableMemory() (bytes int64, known bool) {
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err == nil
		}
	}
	return 0, false
}

// localhost must be this machine: browsers reach sign-in and the application by that name.
func (d *doctor) localhost(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, "localhost")
	if err == nil && slices.Contains(addresses, ports.Host) {
		d.ok("machine", "localhost is "+ports.Host)
		return
	}
	d.add(Finding{
		Check: "machine", Status: Problem, Detail: fmt.Sprintf("localhost is not %s, but %v", ports.Host, addresses),
		Fix: "add the line \"127.0.0.1 localhost\" to /etc/hosts",
	})
}

func (d *doctor) stateFolder(ctx context.Context) {
	path, err := state.Path(d.Getenv)
	if err != nil {
		d.fail("state", err, "")
		return
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		d.ok("state", path+" does not exist yet: plattr dev makes it")
		d.disk("state", existing(path), "PLATTR_STATE_DIR")
		return
	}
	if d.runtime, err = localdev.OpenRuntime(ctx, d.Getenv, "plattr doctor"); err != nil {
		d.fail("state", err, "")
		return
	}
	d.ok("state", path)
	d.disk("state", path, "PLATTR_STATE_DIR")
	if d.apps, err = d.runtime.State().Apps(); err != nil {
		d.fail("state", err, "")
	}
}

// existing is the nearest folder above a path that is there.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

func (d *doctor) disk(check, path, setting string) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return
	}
	free := int64(s.Bavail) * int64(s.Bsize) //nolint:unconvert // the types differ between systems
	f := Finding{Check: check, Status: OK, Detail: cli.Size(free) + " free on its disk"}
	if free < littleDisk {
		f.Status, f.Fix = Warning, "make room, or set "+setting+" to a folder on another disk"
	}
	if free < noDisk {
		f.Status = Problem
	}
	d.add(f)
}

func (d *doctor) cacheFolder() {
	path, err := programs.CacheDir(d.Getenv)
	if err != nil {
		d.fail("cache", err, "")
		return
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		d.ok("cache", path+" does not exist yet: the first download makes it")
		return
	}
	found, err := programs.Audit(d.Getenv)
	if err != nil {
		d.fail("cache", err, "")
		return
	}
	d.ok("cache", path)
	d.disk("cache", path, "PLATTR_CACHE_DIR")
	for _, left := range found {
		d.add(Finding{
			Check: "cache", Status: Warning, Detail: left.Path + " " + left.Reason, Fix: "rm -r " + left.Path,
			mend: func(context.Context) error { return left.Remove() },
		})
	}
}

// cluster looks at that of the runtime kind, and tells whether it is this machine's runtime: then no programs are needed.
func (d *doctor) cluster(ctx context.Context) bool {
	pods, ok := d.runtime.(*localdev.Pods)
	if !ok {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if detail, err := pods.Check(ctx); err != nil {
		d.fail("cluster", err, "")
	} else {
		d.ok("cluster", detail)
	}
	return true
}

// programs are those that the application needs; without one, all.
func (d *doctor) programs(ctx context.Context) {
	for _, name := range d.needed() {
		p, err := programs.Find(ctx, name, programs.WithEnv(d.Getenv), programs.WithDownload(false))
		var missing *programs.NotFoundError
		switch {
		case err == nil:
			d.ok("programs", fmt.Sprintf("%s %s, %s", programs.Title(name), p.Version, p.Origin))
		case errors.As(err, &missing) && missing.Downloadable():
			d.add(Finding{
				Check: "programs", Status: OK, Detail: missing.Entry.Title + " " + missing.Entry.Version + " is not here yet: plattr dev downloads it",
			})
		default:
			d.fail("programs", err, "")
		}
	}
}

func (d *doctor) needed() []string {
	all := d.App == nil
	var names []string
	for _, need := range []struct {
		on       bool
		programs []string
	}{
		{all || d.App.DatabaseEnabled() || d.App.AuthEnabled(), []string{"postgresql"}},
		{all || d.App.RestEnabled(), []string{"postgrest"}},
		{all || d.App.RedisEnabled(), []string{"redis"}},
		{all || d.App.AuthEnabled() || d.App.SearchEnabled(), []string{"java"}},
		{all || d.App.AuthEnabled(), []string{"keycloak"}},
		{all || d.App.SearchEnabled(), []string{"opensearch"}},
	} {
		if need.on {
			names = append(names, need.programs...)
		}
	}
	return names
}

// ports tells which of the ports that people expect are another program's. plattr takes another one then, so that is no
// problem, but good to know.
func (d *doctor) ports() {
	ours := map[int]bool{}
	if d.runtime != nil {
		if book, err := ports.Load(d.runtime.State()); err == nil {
			for _, p := range book {
				ours[p] = true
			}
		}
	}
	var taken []string
	for use, r := range ports.Preferred() {
		if r.First == r.Last && !ours[r.First] && !ports.Free(r.First) {
			taken = append(taken, fmt.Sprintf("%d (%s)", r.First, use))
		}
	}
	if len(taken) == 0 {
		d.ok("ports", "the usual ports are free, or plattr's own")
		return
	}
	slices.Sort(taken)
	d.add(Finding{
		Check: "ports", Status: Warning, Detail: "another program has " + strings.Join(taken, ", ") + ": plattr takes others",
		Fix: "nothing need be done; plattr dev status shows the ports",
	})
}
