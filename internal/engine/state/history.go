package state

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/pkg/v3/backend"
	"github.com/pulumi/pulumi/sdk/v3/go/common/encoding"
)

// kept is how many runs a stack's history holds. The stock CLI never forgets; a developer's laptop should.
const kept = 100

// Record ends a run: history and backup get their entry, and a state that was written is brought to the disk.
func (d *Dir) Record(ref Ref, info backend.UpdateInfo, written bool) error {
	file, stamp := d.stackFile(ref), time.Now().UnixNano()
	if written {
		if err := sync(file); err != nil {
			return fmt.Errorf("record run of stack %s: %w", ref.Stack, err)
		}
	}
	raw, err := encoding.JSON.Marshal(&info)
	if err != nil {
		return fmt.Errorf("record run of stack %s: %w", ref.Stack, err)
	}
	prefix := filepath.Join(d.historyDir(ref), fmt.Sprintf("%s-%d", ref.Stack, stamp))
	backup := filepath.Join(d.backupDir(ref), fmt.Sprintf("%s.%d.json", ref.Stack, stamp))
	if err := write(prefix+".history.json", raw, false); err != nil {
		return fmt.Errorf("record run of stack %s: %w", ref.Stack, err)
	}
	for _, name := range []string{prefix + ".checkpoint.json", backup} {
		if err := keep(file, name); err != nil {
			return fmt.Errorf("record run of stack %s: %w", ref.Stack, err)
		}
	}
	d.forget(ref)
	return nil
}

// forget deletes the oldest entries. A failure costs only space, and the next run tries again.
func (d *Dir) forget(ref Ref) {
	for dir, perRun := range map[string]int{d.historyDir(ref): 2, d.backupDir(ref): 1} {
		entries, err := os.ReadDir(dir) // sorted by name, and so by time
		if err != nil {
			continue
		}
		for _, e := range entries[:max(0, len(entries)-kept*perRun)] {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// History returns the runs of a stack, newest first; limit 0 means all.
func (d *Dir) History(ref Ref, limit int) ([]backend.UpdateInfo, error) {
	files, err := filepath.Glob(filepath.Join(d.historyDir(ref), "*.history.json"))
	if err != nil {
		return nil, fmt.Errorf("read history of stack %s: %w", ref.Stack, err)
	}
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(b, a) })
	if limit > 0 && len(files) > limit {
		files = files[:limit]
	}
	runs := make([]backend.UpdateInfo, 0, len(files))
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("read history of stack %s: %w", ref.Stack, err)
		}
		var info backend.UpdateInfo
		if err := json.Unmarshal(raw, &info); err != nil {
			continue // torn by a kill: the run itself is in the state
		}
		runs = append(runs, info)
	}
	return runs, nil
}
