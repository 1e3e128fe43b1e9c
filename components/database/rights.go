package database

import (
	"fmt"

	"github.com/pulumi/pulumi-postgresql/sdk/v3/go/postgresql"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// public is every role.
const public = "public"

// right is what a role may do on one kind of thing in the schema.
type right struct {
	part       string // of the resource's name
	role       pulumi.StringInput
	objectType string
	privileges []string
}

// addDatabaseRights lets only this application's logins into its own database. In a shared one others' rights are not
// this application's business.
func (b *builder) addDatabaseRights() error {
	rights := []right{{"app", b.app.Name, "database", []string{"CONNECT", "TEMPORARY"}}}
	if b.args.REST != nil {
		rights = append(rights, right{"rest", b.login.Name, "database", []string{"CONNECT"}})
	}
	if b.args.OwnDatabase {
		rights = append(rights, right{public, pulumi.String(public), "database", nil})
	}
	for _, r := range rights {
		if err := b.grant(r); err != nil {
			return err
		}
	}
	return nil
}

// addRestRights says what requests may do, on the tables that are there and on those of later migrations. A role
// without rights is declared, too: a right that somebody gave it by hand is taken back.
func (b *builder) addRestRights() error {
	if b.args.REST == nil {
		return nil
	}
	anonymous := b.args.REST.Anonymous
	usage := map[bool][]string{true: {"USAGE"}}[anonymous == AnonymousRead || anonymous == AnonymousWrite]
	for _, r := range []right{
		{"user", b.user.Name, "schema", []string{"USAGE"}},
		{"anon", b.anon.Name, "schema", usage},
	} {
		if err := b.grant(r); err != nil {
			return err
		}
	}
	tables, sequences := AnonymousWrite.onTables()
	anonTables, anonSequences := anonymous.onTables()
	for _, r := range []right{
		{"user", b.user.Name, "table", tables},
		{"user", b.user.Name, "sequence", sequences},
		{"user", b.user.Name, "function", []string{"EXECUTE"}},
		{"anon", b.anon.Name, "table", anonTables},
		{"anon", b.anon.Name, "sequence", anonSequences},
		{"anon", b.anon.Name, "function", nil},
		{public, pulumi.String(public), "function", nil},
	} {
		later, err := b.grantLater(r)
		if err != nil {
			return err
		}
		if err := b.grant(r, later); err != nil { // the defaults first: what is made in between has them
			return err
		}
	}
	return nil
}

// onTables are the rights on tables and on their sequences.
func (a Anonymous) onTables() (tables, sequences []string) {
	switch a {
	case AnonymousRead:
		return []string{"SELECT"}, nil
	case AnonymousWrite:
		return []string{"DELETE", "INSERT", "SELECT", "UPDATE"}, []string{"SELECT", "USAGE"}
	default:
		return nil, nil
	}
}

// grant gives a right on what is there now.
func (b *builder) grant(r right, after ...pulumi.Resource) error {
	args := &postgresql.GrantArgs{
		Role: r.role, Database: b.databaseName, ObjectType: pulumi.String(r.objectType),
		Privileges: pulumi.ToStringArray(r.privileges),
	}
	if r.objectType != "database" {
		args.Schema = b.schema.Name
	}
	g, err := postgresql.NewGrant(b.ctx, b.name+"-"+r.part+"-"+r.objectType, args, b.inside(pulumi.DependsOn(after))...)
	if err != nil {
		return fmt.Errorf("grant on %s to %s: %w", r.objectType, r.part, err)
	}
	b.parts = append(b.parts, g)
	return nil
}

// grantLater gives a right on what the application makes later. PUBLIC may execute every new function unless the
// owner's defaults for the whole database say otherwise; defaults of a schema can only add.
func (b *builder) grantLater(r right) (pulumi.Resource, error) {
	args := &postgresql.DefaultPrivilegesArgs{
		Role: r.role, Database: b.databaseName, Owner: b.app.Name, ObjectType: pulumi.String(r.objectType),
		Privileges: pulumi.ToStringArray(r.privileges),
	}
	if r.part != public {
		args.Schema = b.schema.Name
	}
	d, err := postgresql.NewDefaultPrivileges(b.ctx, b.name+"-"+r.part+"-later-"+r.objectType, args, b.inside()...)
	if err != nil {
		return nil, fmt.Errorf("default rights on %s of %s: %w", r.objectType, r.part, err)
	}
	b.parts = append(b.parts, d)
	return d, nil
}
