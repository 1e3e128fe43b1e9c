package deploy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/operator/api/v1alpha1"
	"plattr.dev/plattr/stacks/application"
)

// Release is a version of an application that is, or was, deployed.
type Release struct {
	// ID names it within the environment; Image is named by digest.
	ID, Image string
	// User is who it runs as, where the image names no number; 0 leaves it to the image.
	User int
	// Migrated says that its migrations ran before: for an earlier release, or by somebody else.
	Migrated bool
	// Attempt rolls the pods when it changes.
	Attempt string
	// Earlier are the releases before it, newest first, whose migrations can still be looked at.
	Earlier []application.Release
}

// Record is a release as the stack remembers it: enough to make it again.
type Record struct {
	ID    string `json:"id"`
	Image string `json:"image"`
	User  int    `json:"user,omitempty"`
	// Spec is what the application asked for, UserEnv what its people had set.
	Spec    v1alpha1.ApplicationSpec `json:"spec"`
	UserEnv map[string]string        `json:"userEnv,omitempty"`
	// Time is when it was begun, By who did it.
	Time time.Time `json:"time"`
	By   string    `json:"by,omitempty"`
	// RollbackTo is the release that it brought back.
	RollbackTo string `json:"rollbackTo,omitempty"`
	// Attempt names the first try since nothing served: the pods are made anew for each, whatever became of those before.
	// Releases that follow one that serves keep it.
	Attempt string `json:"attempt,omitempty"`
	// Migrates says that it ran migrations: one that only changes the configuration, or goes back, does not.
	Migrates bool `json:"migrates,omitempty"`
	// Failure says why it was given up; empty for one that came to serve.
	Failure string `json:"failure,omitempty"`
}

// same tells whether two records make the same.
func (r Record) same(o Record) bool {
	return r.Image == o.Image && r.User == o.User && equalJSON(r.Spec, o.Spec) &&
		(len(r.UserEnv) == 0 && len(o.UserEnv) == 0 || reflect.DeepEqual(r.UserEnv, o.UserEnv))
}

// equalJSON compares what would be remembered: nil and empty are the same there.
func equalJSON(a, b any) bool {
	x, err := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err == nil && err2 == nil && string(x) == string(y)
}

const (
	// keptRecords is how many releases a stack remembers.
	keptRecords = 30
	// keptMigrations is of how many releases the migrations can be looked at.
	keptMigrations = 3
)

// The names under which a stack remembers what is not its program's.
const (
	keptReleases   = "releases"
	keptRepository = "repository"
	keptUserEnv    = "userEnv"
	keptDiscard    = "discard"
)

// memory is what the stack of an application remembers.
type memory struct {
	exists     bool
	outputs    map[string]engine.Output
	repository string
	records    []Record // oldest first
	userEnv    map[string]string
	live       string // the ID of the release that serves, or empty
	generation string // of the passwords
	discards   bool   // the last run was to let everything go
}

// recall reads what an earlier run left.
func recall(outputs map[string]engine.Output) (memory, error) {
	m := memory{exists: outputs != nil, outputs: outputs}
	m.generation, _ = outputs[application.OutputPasswordGeneration].Value.(string)
	m.live, _ = outputs[application.OutputRelease].Value.(string)
	kept, _ := outputs[application.OutputKept].Value.(map[string]any)
	m.repository, _ = kept[keptRepository].(string)
	m.discards = kept[keptDiscard] != nil
	for name, to := range map[string]any{keptReleases: &m.records, keptUserEnv: &m.userEnv} {
		text, ok := kept[name].(string)
		if !ok {
			continue
		}
		if err := json.Unmarshal([]byte(text), to); err != nil {
			return m, fmt.Errorf("what the stack remembers of %s cannot be read: %w", name, err)
		}
	}
	return m, nil
}

// kept is what the next run shall remember. It is empty for a stack that never had a release.
func (m memory) kept() (map[string]string, error) {
	out := map[string]string{}
	if m.repository != "" {
		out[keptRepository] = m.repository
	}
	records := m.records
	if len(records) > keptRecords {
		records = records[len(records)-keptRecords:]
	}
	for name, value := range map[string]any{keptReleases: records, keptUserEnv: m.userEnv} {
		if reflect.ValueOf(value).Len() == 0 {
			continue
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("remember %s: %w", name, err)
		}
		out[name] = string(raw)
	}
	return out, nil
}

// find returns the record of a release.
func (m memory) find(id string) (Record, bool) {
	i := slices.IndexFunc(m.records, func(r Record) bool { return r.ID == id })
	if id == "" || i < 0 {
		return Record{}, false
	}
	return m.records[i], true
}

// before are the good releases before one, newest first.
func (m memory) before(id string) []Record {
	var out []Record
	for _, r := range slices.Backward(m.records) {
		if r.Failure == "" && number(r.ID) < number(id) {
			out = append(out, r)
		}
	}
	return out
}

// next is the ID of a release after all others.
func (m memory) next() string {
	last := 0
	for _, r := range m.records {
		last = max(last, number(r.ID))
	}
	return strconv.Itoa(last + 1)
}

func number(id string) int {
	n, _ := strconv.Atoi(id) // IDs are ours
	return n
}

// with remembers a release, once.
func (m memory) with(r Record) memory {
	m.records = append(slices.DeleteFunc(slices.Clone(m.records), func(o Record) bool { return o.ID == r.ID }), r)
	m.userEnv = r.UserEnv
	return m
}

// as makes an application run a release that is remembered.
func (m memory) as(app Application, r Record) Application {
	app.Release = Release{ID: r.ID, Image: r.Image, User: r.User, Migrated: !r.Migrates, Attempt: r.Attempt}
	for _, earlier := range m.before(r.ID) {
		// Those from before it was taken out of service have no Jobs any more.
		if earlier.Attempt == r.Attempt && earlier.Migrates && len(app.Release.Earlier) < keptMigrations-1 {
			app.Release.Earlier = append(app.Release.Earlier, application.Release{ID: earlier.ID, Image: earlier.Image})
		}
	}
	app.Spec, app.UserEnv = r.Spec, r.UserEnv
	return app
}
