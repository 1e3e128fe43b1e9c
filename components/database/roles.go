package database

import (
	"fmt"

	"github.com/pulumi/pulumi-postgresql/sdk/v3/go/postgresql"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/providers/plattr/sdk"
)

// addAppRole makes the application's login. Only its search path is set: on a role that PostgREST switches to, it
// would override the schema that is served.
func (b *builder) addAppRole() error {
	password, err := b.newPassword("app")
	if err != nil {
		return err
	}
	b.app, err = b.newRole("app", b.args.AppRole, &postgresql.RoleArgs{
		Login: pulumi.Bool(true), Password: password,
		SearchPaths: pulumi.StringArray{pulumi.String(b.args.Schema), pulumi.String(ExtensionsSchema)},
	})
	b.appPass = password
	return err
}

// addRestRoles makes PostgREST's login, which may do nothing but become one of the other two.
func (b *builder) addRestRoles() error {
	rest := b.args.REST
	if rest == nil {
		return nil
	}
	var err error
	if b.anon, err = b.newRole("anon", rest.AnonRole, &postgresql.RoleArgs{}); err != nil {
		return err
	}
	if b.user, err = b.newRole("user", rest.UserRole, &postgresql.RoleArgs{}); err != nil {
		return err
	}
	if b.restPass, err = b.newPassword("rest"); err != nil {
		return err
	}
	b.login, err = b.newRole("rest", rest.LoginRole, &postgresql.RoleArgs{
		Login: pulumi.Bool(true), Password: b.restPass, Inherit: pulumi.Bool(false),
	})
	if err != nil {
		return err
	}
	for _, group := range []struct {
		part string
		role *postgresql.Role
	}{{"anon", b.anon}, {"user", b.user}} {
		member, err := postgresql.NewGrantRole(b.ctx, b.name+"-rest-"+group.part, &postgresql.GrantRoleArgs{
			GrantRole: group.role.Name, Role: b.login.Name,
		}, pulumi.Parent(b.parent), pulumi.DeletedWith(b.login))
		if err != nil {
			return fmt.Errorf("membership of role rest in %s: %w", group.part, err)
		}
		b.parts = append(b.parts, member)
	}
	return nil
}

// newRole makes a role that takes with it what it owns when it goes.
func (b *builder) newRole(part, role string, args *postgresql.RoleArgs) (*postgresql.Role, error) {
	args.Name = pulumi.String(role)
	args.SkipReassignOwned = pulumi.Bool(true)
	r, err := postgresql.NewRole(b.ctx, b.name+"-"+part, args, pulumi.Parent(b.parent))
	if err != nil {
		return nil, fmt.Errorf("role %s: %w", part, err)
	}
	b.parts = append(b.parts, r)
	return r, nil
}

func (b *builder) newPassword(part string) (pulumi.StringOutput, error) {
	args := &sdk.SecretArgs{}
	if b.args.InitialPassword != "" {
		args.Initial = pulumi.String(b.args.InitialPassword)
	}
	if b.args.PasswordGeneration != "" {
		args.Generation = pulumi.String(b.args.PasswordGeneration)
	}
	s, err := sdk.NewSecret(b.ctx, b.name+"-"+part+"-password", args, pulumi.Parent(b.parent))
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return s.Value, nil
}
