package initcmd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/charmbracelet/huh"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
)

// answers is what the form edits.
type answers struct {
	name      string
	framework string
	services  []string
	buckets   string
}

// The services that can be chosen, as the form shows them.
const (
	serviceDatabase = "database"
	serviceStorage  = "storage"
	serviceAuth     = "auth"
	serviceRedis    = "redis"
	serviceSearch   = "search"
)

// ask shows the form, with what is known filled in.
func (o *options) ask(ctx context.Context, want *config.Options) error {
	if !o.CanPrompt() {
		return cli.Usagef("there is no terminal to ask on: pass --yes, and flags for what plattr.yaml shall say")
	}
	a := &answers{name: want.Name, framework: string(want.Framework), buckets: strings.Join(want.Buckets, ",")}
	if a.buckets == "" {
		a.buckets = "uploads"
	}
	for name, on := range switches(want) {
		if *on {
			a.services = append(a.services, name)
		}
	}
	if err := o.Ask(ctx, a.groups()...); err != nil {
		return err
	}
	a.apply(want)
	return nil
}

func switches(want *config.Options) map[string]*bool {
	return map[string]*bool{
		serviceDatabase: &want.Database, serviceStorage: &want.Storage, serviceAuth: &want.Auth,
		serviceRedis: &want.Redis, serviceSearch: &want.Search,
	}
}

func (a *answers) groups() []*huh.Group {
	return []*huh.Group{
		huh.NewGroup(
			huh.NewInput().Title("Name").Value(&a.name).Validate(func(name string) error {
				return firstProblem(config.Options{Name: name, Framework: config.Docker}, "name")
			}),
			huh.NewSelect[string]().Title("Framework").Options(huh.NewOptions(frameworks()...)...).Value(&a.framework),
			huh.NewMultiSelect[string]().Title("Services").Description("space selects").Value(&a.services).Options(
				huh.NewOption("PostgreSQL + REST", serviceDatabase),
				huh.NewOption("Storage", serviceStorage),
				huh.NewOption("Sign-in", serviceAuth),
				huh.NewOption("Redis", serviceRedis),
				huh.NewOption("Search", serviceSearch),
			),
		),
		huh.NewGroup(
			huh.NewInput().Title("Buckets").Description("names with commas between them").Value(&a.buckets).
				Validate(func(buckets string) error {
					o := config.Options{Name: "app", Framework: config.Docker, Storage: true, Buckets: split(buckets)}
					return firstProblem(o, "storage")
				}),
		).WithHideFunc(func() bool { return !slices.Contains(a.services, serviceStorage) }),
	}
}

func (a *answers) apply(want *config.Options) {
	want.Name, want.Framework = a.name, config.Framework(a.framework)
	for name, on := range switches(want) {
		*on = slices.Contains(a.services, name)
	}
	if want.Storage {
		want.Buckets = split(a.buckets)
	}
}

// firstProblem says what plattr.yaml's rules have against a field: the rules
// are in one place, and the form only asks them.
func firstProblem(o config.Options, field string) error {
	_, err := config.NewFile(o)
	var invalid *config.Error
	if !errors.As(err, &invalid) {
		return err
	}
	for _, p := range invalid.Problems {
		if strings.HasPrefix(p.Path, field) {
			return errors.New(p.Message)
		}
	}
	return nil
}

func split(list string) []string {
	var out []string
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}
