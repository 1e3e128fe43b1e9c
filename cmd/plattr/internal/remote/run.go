package remote

import (
	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/engine"
)

// Run does something to an environment with a live tree. The tree's root, called label, ends with what done says, or as failed.
func Run(s *cli.Session, label string, do func(events chan<- engine.Event) error, done func() (label, detail, remark string)) error {
	view := s.NewView()
	defer view.Close()
	watch := local.NewWatch(view, label)
	watch.Begin()
	events, finished := make(chan engine.Event, 64), make(chan struct{})
	go func() {
		defer close(finished)
		report := watch.Reports().Resources
		for e := range events {
			report(e)
		}
	}()
	err := do(events)
	close(events)
	<-finished
	if err != nil {
		watch.Close("", nil, "", err)
		return err
	}
	label, detail, remark := done()
	watch.Rename(label)
	watch.Close(detail, nil, remark, nil)
	return nil
}
