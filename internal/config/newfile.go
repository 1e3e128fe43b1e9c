package config

import (
	"slices"
	"strings"

	"plattr.dev/plattr/operator/api/v1alpha1"
)

// Options is what a new plattr.yaml, or a file that `init` runs on again, shall
// ask for.
type Options struct {
	Name string
	// Framework may be empty: then it is detected whenever the file is read.
	Framework Framework
	Database  bool
	Storage   bool
	Buckets   []string
	Auth      bool
	Redis     bool
	Search    bool
}

// schemaLine makes editors check the file.
const schemaLine = "# yaml-language-server: $schema=" + SchemaPath + "\n"

// NewFile returns the text of a new plattr.yaml: what was chosen, with a
// comment where a choice matters. Options that break a rule give the *Error
// that reading the file would give.
func NewFile(o Options) ([]byte, error) {
	head := map[string]any{"name": o.Name}
	name, err := encode(head)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString(schemaLine)
	b.Write(name)
	if o.Framework != "" {
		b.WriteString("framework: " + string(o.Framework) + "\n")
	}
	if o.Database {
		b.WriteString(`
database:
  enabled: true
  rest:
    # What requests without a token may do on every table: none, read or write.
    anonAccess: ` + string(o.anonAccess()) + "\n")
	}
	if o.Storage {
		storage, err := encode(map[string]any{"storage": storageSection(o.Buckets)})
		if err != nil {
			return nil, err
		}
		b.WriteString("\n")
		b.Write(storage)
	}
	for _, s := range o.switches() {
		if s.on {
			b.WriteString("\n" + s.section + ":\n  enabled: true\n")
		}
	}
	raw := []byte(b.String())
	if _, err := Parse(FileName, raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// anonAccess is what a new database gives to requests without a token: where there is sign-in, people sign in.
func (o Options) anonAccess() v1alpha1.AnonAccess {
	if o.Auth {
		return v1alpha1.AnonNone
	}
	return v1alpha1.AnonRead
}

type toggle struct {
	section string
	on      bool
}

// switches returns the services that are either on or off.
func (o Options) switches() []toggle {
	return []toggle{{"auth", o.Auth}, {"redis", o.Redis}, {"search", o.Search}}
}

func storageSection(buckets []string) map[string]any {
	section := map[string]any{"enabled": true}
	if len(buckets) > 0 {
		list := make([]v1alpha1.BucketSpec, len(buckets))
		for i, name := range buckets {
			list[i].Name = name
		}
		section["buckets"] = list
	}
	return section
}

// OptionsOf returns the options that an App was written with.
func OptionsOf(a *App) Options {
	o := Options{
		Name: a.Name, Framework: a.Framework,
		Database: a.DatabaseEnabled(), Storage: a.StorageEnabled(),
		Auth: a.AuthEnabled(), Redis: a.RedisEnabled(), Search: a.SearchEnabled(),
	}
	if a.Storage != nil {
		for _, b := range a.Storage.Buckets {
			o.Buckets = append(o.Buckets, b.Name)
		}
	}
	return o
}

// Update brings an existing file to the options with as few changes as
// possible. Services are switched on and off, buckets are only added: what
// holds data is not removed by leaving it out. The result is checked as Parse
// does.
func Update(raw []byte, o Options) ([]byte, error) {
	app, err := Parse(FileName, raw)
	if err != nil {
		return nil, err
	}
	have := OptionsOf(app)
	var changes []Change
	if o.Name != have.Name {
		changes = append(changes, Set("name", o.Name))
	}
	if o.Framework != have.Framework && o.Framework != "" {
		changes = append(changes, Set("framework", string(o.Framework)))
	}
	changes = append(changes, databaseChange(app, o)...)
	changes = append(changes, storageChanges(app, have, o)...)
	present := map[string]bool{"auth": app.Auth != nil, "redis": app.Redis != nil, "search": app.Search != nil}
	was := map[string]bool{"auth": have.Auth, "redis": have.Redis, "search": have.Search}
	for _, s := range o.switches() {
		if s.on != was[s.section] && (s.on || present[s.section]) {
			changes = append(changes, Set(s.section+".enabled", s.on))
		}
	}
	out, err := Edit(raw, changes...)
	if err != nil {
		return nil, err
	}
	if _, err := Parse(FileName, out); err != nil {
		return nil, err
	}
	return out, nil
}

func databaseChange(app *App, o Options) []Change {
	switch {
	case o.Database == app.DatabaseEnabled():
		return nil
	case app.Database == nil:
		return []Change{Set("database", map[string]any{
			"enabled": true, "rest": map[string]any{"anonAccess": string(o.anonAccess())},
		})}
	default:
		return []Change{Set("database.enabled", o.Database)}
	}
}

func storageChanges(app *App, have, o Options) []Change {
	if app.Storage == nil {
		if !o.Storage {
			return nil
		}
		return []Change{Set("storage", storageSection(o.Buckets))}
	}
	var changes []Change
	if o.Storage != have.Storage {
		changes = append(changes, Set("storage.enabled", o.Storage))
	}
	for _, bucket := range o.Buckets {
		if !slices.Contains(have.Buckets, bucket) {
			changes = append(changes, Append("storage.buckets", map[string]any{"name": bucket}))
		}
	}
	return changes
}
