package local

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/localdev"
)

// The keys of the roots of the tree.
const (
	keyServices = "services"
	keyApp      = "app"
)

// maxDrifted is how many lines a run spends on what was changed outside: dropping a schema takes many things along.
const maxDrifted = 5

// Watch shows the services and resources of an application in a view.
type Watch struct {
	view  *cli.View
	label string

	mu       sync.Mutex
	services map[string]bool // begun, and true once ready
	began    bool            // the application's root is there
	drifted  int             // how many things were found deleted or changed outside
	deleting bool
	failed   bool // a stage has failed
}

// NewWatch returns a Watch; label is what the root of the resources is called.
func NewWatch(view *cli.View, label string) *Watch {
	return &Watch{view: view, label: label, services: map[string]bool{}}
}

// Reports are what localdev calls.
func (w *Watch) Reports() localdev.Reports {
	return localdev.Reports{Services: w.service, Resources: w.resource}
}

// service shows one service on its way. Those that start before the resources
// are children of their own root; PostgREST starts after them and belongs to
// the application.
func (w *Watch) service(p localdev.Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key, label := "service "+p.Service, strings.TrimSpace(p.Title+" "+p.Version)
	if _, known := w.services[p.Service]; !known {
		w.services[p.Service] = false
		parent := keyServices
		if w.began {
			parent = keyApp
		} else if len(w.services) == 1 {
			w.view.Start(keyServices, "", "Services")
		}
		w.view.Start(key, parent, label)
	}
	w.view.Rename(key, label)
	switch p.Phase {
	case localdev.Downloading:
		w.view.Update(key, "downloading")
		w.view.Bytes(key, p.Done, p.Total)
	case localdev.Ready:
		w.services[p.Service] = true
		w.view.Done(key, p.Detail, -1)
		if w.began {
			w.endServices()
		}
	default:
		w.view.Bytes(key, 0, 0)
		text := string(p.Phase)
		if p.Detail != "" && p.Phase == localdev.Starting {
			text += ": " + p.Detail
		}
		w.view.Update(key, text)
	}
}

// Rename changes what the root of the resources is called.
func (w *Watch) Rename(label string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin()
	w.view.Rename(keyApp, label)
}

// Deleting says that the run deletes: what is gone already is no news then.
func (w *Watch) Deleting() { w.deleting = true }

// Begin shows the root of the resources, for a run that has none.
func (w *Watch) Begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin()
}

func (w *Watch) begin() {
	if w.began {
		return
	}
	w.began = true
	w.endServices()
	w.view.Start(keyApp, "", w.label)
}

// endServices ends the root of the services when all of them are ready. Slow ones may become so while resources are made.
func (w *Watch) endServices() {
	for _, ready := range w.services {
		if !ready {
			return
		}
	}
	if len(w.services) > 0 {
		w.view.Done(keyServices, "", -1)
	}
}

// Update says what the work on the application waits for.
func (w *Watch) Update(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin()
	w.view.Update(keyApp, text)
}

// CloseQuietly ends the roots that are there. What went well and changed nothing is not worth a line.
func (w *Watch) CloseQuietly(err error) {
	w.mu.Lock()
	began := w.began
	w.mu.Unlock()
	if err != nil || began {
		w.Close("", nil, "", err)
	}
}

// resource shows what the engine does, in the words of the user.
func (w *Watch) resource(e engine.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin()
	switch e.Kind {
	case engine.Started:
		if verb := verbs()[e.Operation]; verb != "" && !e.Component && !strings.HasPrefix(e.Type, "pulumi:") {
			w.view.Update(keyApp, verb+" "+Noun(e.Type, e.Name))
		}
		w.stage(e)
	case engine.Done:
		if label := stageLabel(e); label != "" {
			w.view.Done(label, "", -1)
		}
	case engine.Failed:
		if label := stageLabel(e); label != "" {
			w.view.Fail(label, errors.New(e.Message))
			w.failed = true
		}
	case engine.Drifted:
		w.drifted++
		if w.drifted <= maxDrifted && !w.deleting {
			w.view.Warn(driftLine(e.Type, e.Name, e.Gone, e.Keys))
		}
	case engine.Message:
		if e.Severity == "warning" {
			w.view.Warn(e.Message)
		}
	}
	if text := eventLine(e); text != "" {
		w.view.Event(text)
	}
}

// stage shows what takes long in a cluster on a line of its own.
func (w *Watch) stage(e engine.Event) {
	label := stageLabel(e)
	if label == "" {
		return
	}
	shown := label
	if w.failed { // what comes after a failure undoes it
		shown = "Back to the release before"
	}
	w.view.Start(label, keyApp, shown)
}

// stageLabel names the stage that an event is of; empty if it is of none.
func stageLabel(e engine.Event) string {
	if e.Operation == engine.Same || e.Operation == engine.Refresh || e.Operation == engine.Read || strings.HasPrefix(string(e.Operation), "delete") {
		return ""
	}
	return map[string]string{"kubernetes:batch/v1:Job": "Migrations", "kubernetes:apps/v1:Deployment": "Rollout"}[e.Type]
}

// Close ends the roots that are left: as done with what came out, or as failed.
func (w *Watch) Close(detail string, children map[string]string, remark string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		for service, ready := range w.services {
			if !ready {
				w.view.Fail("service "+service, err)
			}
		}
		w.view.Fail(keyServices, err)
		w.view.Fail(keyApp, err)
		return
	}
	w.begin()
	if more := w.drifted - maxDrifted; more > 0 && !w.deleting {
		w.view.Warn(fmt.Sprintf("%d more of its parts were deleted or changed outside plattr: they are as they should be again", more))
	}
	for _, part := range []string{"database", "storage", "auth", "redis", "search"} {
		if text, ok := children[part]; ok {
			w.view.Start(part, keyApp, part)
			w.view.Done(part, text, 0)
		}
	}
	w.view.Remark(keyApp, remark)
	w.view.Done(keyApp, detail, -1)
}

func verbs() map[engine.Operation]string {
	return map[engine.Operation]string{
		engine.Create: "creating", engine.Update: "changing", engine.Delete: "deleting", engine.Replace: "replacing",
		engine.CreateReplacement: "replacing", engine.DeleteReplaced: "replacing", engine.Refresh: "looking at",
		engine.Read: "looking at", engine.Import: "taking over",
	}
}
