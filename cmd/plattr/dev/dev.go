// Package dev is the `dev` command: it brings an application up on this
// machine. The commands below it are packages of their own.
package dev

import (
	"context"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/sqlshell/libpq"
	"plattr.dev/plattr/localdev"
)

// Chooser makes a runtime that of this machine. note says what data stay in the one before; empty: none.
type Chooser func(ctx context.Context, runtime localdev.RuntimeName) (note string, err error)

type options struct {
	*cli.Session
	open       local.Opener
	choose     Chooser
	follow     bool
	runtime    string
	newCluster bool
}

// New returns the `dev` command, which runs alone too.
func New(s *cli.Session, open local.Opener, choose Chooser, children ...*cobra.Command) *cobra.Command {
	o := &options{Session: s, open: open, choose: choose}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Bring the application up on this machine",
		Long: "Bring the application up on this machine.\n\n" +
			"It starts the services that plattr.yaml enables, makes the database, roles and buckets, repairs what was changed\n" +
			"outside, writes .plattr/NAME.env for your own server, prints the addresses and returns; the services go on.\n" +
			"A second run changes nothing, and takes up what a killed one left.\n\n" +
			"The services are processes of this machine (runtime native), or pods in a Kind cluster of plattr's own (runtime\n" +
			"kind, which needs Docker), to which an application can be deployed too. The choice is kept for all applications\n" +
			"of this machine; each runtime has its own data.",
		Example: "  plattr dev\n  plattr dev --follow\n  plattr dev -o json\n  plattr dev --runtime kind",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "stay and show the logs of the services; Ctrl-C leaves them running")
	cmd.Flags().StringVar(&o.runtime, "runtime", "", "native or kind, from now on")
	cmd.Flags().BoolVar(&o.newCluster, "new-cluster", false, "make the cluster of the runtime kind anew; the data stay")
	cmd.AddCommand(children...)
	return cmd
}

func (o *options) run(ctx context.Context) error {
	if err := o.chooseRuntime(ctx); err != nil {
		return err
	}
	app, err := o.open(ctx, "plattr dev")
	if err != nil {
		return err
	}
	if o.newCluster {
		if err := o.makeCluster(ctx, app); err != nil {
			return err
		}
	}
	// Early: where this cannot be written, the environment file cannot either.
	if err := config.WriteSchema(app.Dir); err != nil {
		return fmt.Errorf("%s, local: %w", app.Config.Name, err)
	}
	res, err := o.up(ctx, app)
	if err != nil {
		return err
	}
	r := newReport(app, res)
	if err := o.Print(r, func(w io.Writer) { r.write(w, app) }); err != nil {
		return err
	}
	if !o.follow {
		return nil
	}
	o.Infof("Logs of the services (Ctrl-C leaves them running):")
	return app.Runtime().Logs(ctx, "", lastLogs, true, o.Out)
}

// chooseRuntime keeps the runtime that was asked for. plattr.yaml is read first: a mistake in it must not stop services.
func (o *options) chooseRuntime(ctx context.Context) error {
	name := localdev.RuntimeName(o.runtime)
	switch name {
	case "":
		return nil
	case localdev.NativeRuntime, localdev.KindRuntime:
	default:
		return cli.Usagef("--runtime: %q is neither native nor kind", o.runtime)
	}
	if _, _, err := local.Load(o.Session); err != nil {
		return err
	}
	note, err := o.choose(ctx, name)
	if err == nil && note != "" {
		o.Infof("%s", note)
	}
	return err
}

// makeCluster makes the cluster anew.
func (o *options) makeCluster(ctx context.Context, app *local.App) error {
	pods, ok := app.Runtime().(*localdev.Pods)
	if !ok {
		return cli.Usagef("--new-cluster: the runtime %s has no cluster: add --runtime kind", app.Runtime().Name())
	}
	return app.WithServices(o.Session, func(w *local.Watch) error { return pods.NewCluster(ctx, w.Reports().Services) })
}

// lastLogs is how many lines of each log --follow begins with.
const lastLogs = 10

// up runs with a view, which is closed before anything else is printed.
func (o *options) up(ctx context.Context, app *local.App) (localdev.UpResult, error) {
	view := o.NewView()
	defer view.Close()
	name := app.Config.Name
	watch := local.NewWatch(view, name+", local")
	res, err := app.Up(ctx, watch.Reports())
	if err != nil {
		watch.Close("", nil, "", err)
		return res, fmt.Errorf("%s, local: %w", name, err)
	}
	for _, warning := range res.Warnings {
		view.Warn(warning)
	}
	if !res.Changed() {
		watch.Rename(name + " is up, nothing changed")
		watch.Close("", nil, "", nil)
		return res, nil
	}
	watch.Close("", parts(app), local.Changes(res.Changes), nil)
	return res, nil
}

// parts says what the application has, for the lines below its own.
func parts(app *local.App) map[string]string {
	n, out := app.Names(), map[string]string{}
	if app.Config.DatabaseEnabled() {
		out["database"] = fmt.Sprintf("schema %s, roles %s %s %s %s", n.Schema, n.AppRole, n.AnonRole, n.UserRole, n.RestRole)
	}
	if app.Config.StorageEnabled() {
		words := []string{"buckets"}
		for _, b := range app.Config.Storage.Buckets {
			words = append(words, n.Bucket(b.Name))
		}
		out["storage"] = strings.Join(words, " ")
	}
	if app.Config.AuthEnabled() {
		out["auth"] = fmt.Sprintf("realm %s, client %s", n.Realm, app.Config.Name)
	}
	if app.Config.RedisEnabled() {
		out["redis"] = "user " + app.Config.Name
	}
	if app.Config.SearchEnabled() {
		out["search"] = "indices " + n.IndexPrefix + "* (a convention here: the local OpenSearch knows no users)"
	}
	return out
}

// report is what `dev -o json` prints. It holds no secret but the password of a demo user that was just made.
type report struct {
	App         string `json:"app"`
	Environment string `json:"environment"`
	// Changes is "none" or counts by what was done.
	Changes any               `json:"changes"`
	Drift   []drift           `json:"drift"`
	URLs    map[string]string `json:"urls"`
	Buckets map[string]string `json:"buckets,omitempty"`
	// Demo is the user to try sign-in with; its password is there only in the run that made it.
	Demo         *demo  `json:"demo,omitempty"`
	EnvFile      string `json:"envFile"`
	Milliseconds int64  `json:"milliseconds"`
}

type demo struct {
	User     string `json:"user"`
	Password string `json:"password,omitempty"`
}

type drift struct {
	Resource string   `json:"resource"`
	Type     string   `json:"type"`
	Gone     bool     `json:"gone"`
	Changed  []string `json:"changed,omitempty"`
}

func newReport(app *local.App, res localdev.UpResult) report {
	r := report{
		App: app.Config.Name, Environment: "local", Changes: "none", Drift: []drift{}, URLs: map[string]string{},
		Buckets: res.Connections.Buckets, EnvFile: res.EnvFile, Milliseconds: res.Elapsed.Milliseconds(),
	}
	if res.Changed() {
		counts := maps.Clone(res.Changes)
		delete(counts, "same")
		r.Changes = counts
	}
	for _, d := range res.Drift {
		r.Drift = append(r.Drift, drift{Resource: d.Name, Type: d.Type, Gone: d.Gone, Changed: d.Keys})
	}
	if url := res.Connections.DatabaseURL; url != "" {
		r.URLs["database"] = libpq.Mask(url)
	}
	if res.RestURL != "" {
		r.URLs["rest"] = res.RestURL
	}
	if s3 := res.Endpoints.S3; s3 != nil && app.Config.StorageEnabled() {
		r.URLs["s3"], r.URLs["s3Console"] = s3.URL, s3.ConsoleURL
	}
	if c := res.Connections; c.IssuerURL != "" {
		r.URLs["issuer"] = c.IssuerURL
		r.Demo = &demo{User: c.DemoUser}
		if res.NewDemoPassword {
			r.Demo.Password = c.DemoPassword
		}
	}
	if url := res.Connections.RedisURL; url != "" {
		r.URLs["redis"] = libpq.Mask(url)
	}
	if url := res.Connections.SearchURL; url != "" {
		r.URLs["search"] = url
	}
	if url := res.Connections.DashboardsURL; url != "" {
		r.URLs["dashboards"] = url
	}
	return r
}

// write prints the addresses, and how to go on.
func (r report) write(w io.Writer, app *local.App) {
	var rows [][]string
	for _, line := range []struct{ label, url string }{
		{"DATABASE_URL", r.URLs["database"]},
		{"REST", r.URLs["rest"]},
		{"S3", r.URLs["s3"]},
		{"S3 console", r.URLs["s3Console"]},
		{"Sign-in", r.URLs["issuer"]},
		{"REDIS_URL", r.URLs["redis"]},
		{"OpenSearch", r.URLs["search"]},
		{"Dashboards", r.URLs["dashboards"]},
		{"Demo user", r.demoText()},
	} {
		if line.url != "" {
			rows = append(rows, []string{"  " + line.label, line.url})
		}
	}
	fmt.Fprintln(w)
	cli.Table(w, rows)
	fmt.Fprintf(w, "\n  . %s   then start your own server%s\n", local.Near(r.EnvFile), start(app.Config.Framework))
}

// demoText shows the password once: afterwards it is in the environment file.
func (r report) demoText() string {
	switch {
	case r.Demo == nil:
		return ""
	case r.Demo.Password == "":
		return r.Demo.User + "   (password: AUTH_DEMO_PASSWORD in the file below)"
	default:
		return r.Demo.User + "   password " + r.Demo.Password + "   (not shown again; it is in the file below)"
	}
}

// start is the usual command of a framework's own server.
func start(f config.Framework) string {
	switch f {
	case config.NextJS:
		return ": npx next dev"
	case config.Rails:
		return ": bin/rails server"
	case config.Go:
		return ": go run ."
	default:
		return ""
	}
}
