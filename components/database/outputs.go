package database

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/providers/plattr/sdk"
)

// validate finds what would only fail half-way through a run.
func (a *Args) validate() error {
	if a == nil {
		return errors.New("no arguments")
	}
	type field struct{ name, value string }
	required := []field{
		{"Host", a.Host},
		{"Database", a.Database},
		{"Schema", a.Schema},
		{"MigrationsSchema", a.MigrationsSchema},
		{"AppRole", a.AppRole},
	}
	if a.Bootstrap {
		required = append(required, field{"Administrator", a.Administrator})
	}
	var errs []error
	if a.REST != nil {
		required = append(required, field{"REST.AnonRole", a.REST.AnonRole}, field{"REST.UserRole", a.REST.UserRole},
			field{"REST.LoginRole", a.REST.LoginRole})
		switch a.REST.Anonymous {
		case "", AnonymousNone, AnonymousRead, AnonymousWrite:
		default:
			errs = append(errs, fmt.Errorf("REST.Anonymous: %q is none of none, read, write", a.REST.Anonymous))
		}
	}
	for _, f := range required {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("%s is required", f.name))
		}
	}
	if a.Port < 1 || a.Port > 65535 {
		errs = append(errs, fmt.Errorf("port %d is not a port (1-65535)", a.Port))
	}
	return errors.Join(errs...)
}

// outputs are known when all parts are there, so that whoever uses one comes after the rights.
func (b *builder) outputs(d *Database) {
	a := b.args
	done := pulumi.ToOutput(urns(b.parts))
	after := func(s string) pulumi.StringOutput {
		return done.ApplyT(func(any) string { return s }).(pulumi.StringOutput)
	}
	d.Name, d.Schema, d.MigrationsSchema = after(a.Database), after(a.Schema), after(a.MigrationsSchema)
	d.AppRole = b.app.Name
	d.Channel = after(sdk.Channel(a.Schema))
	d.URL = pulumi.ToSecret(pulumi.All(b.appPass, done).ApplyT(func(v []any) string {
		return a.url(a.AppRole, v[0].(string), a.SchemaInURL)
	})).(pulumi.StringOutput)
	d.RestURL = pulumi.String("").ToStringOutput()
	if a.REST != nil {
		d.RestURL = pulumi.ToSecret(pulumi.All(b.restPass, done).ApplyT(func(v []any) string {
			return a.url(a.REST.LoginRole, v[0].(string), false)
		})).(pulumi.StringOutput)
	}
}

func urns(resources []pulumi.Resource) pulumi.Array {
	out := make(pulumi.Array, 0, len(resources))
	for _, r := range resources {
		out = append(out, r.URN())
	}
	return out
}

// url is a connection URL that any libpq client takes.
func (a *Args) url(role, password string, withSchema bool) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, password),
		Host: net.JoinHostPort(a.Host, strconv.Itoa(a.Port)), Path: "/" + a.Database,
	}
	q := url.Values{}
	if a.SSLMode != "" {
		q.Set("sslmode", a.SSLMode)
	}
	if withSchema {
		q.Set("schema", a.Schema)
	}
	u.RawQuery = q.Encode()
	return u.String()
}
