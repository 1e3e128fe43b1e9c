package keycloak

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// userArgs are the inputs, and the state, of a user. Identities at other providers are not supported.
//
// A user has no place for the owner mark that its realm allows (see the user profile of Keycloak 24 and later), so it
// belongs to the stack that made the realm.
type userArgs struct {
	RealmID       string     `json:"realmId"`
	Username      string     `json:"username" kc:"username"`
	Email         string     `json:"email,omitempty" kc:"email"`
	EmailVerified *bool      `json:"emailVerified,omitempty" kc:"emailVerified" default:"false"`
	Enabled       *bool      `json:"enabled,omitempty" kc:"enabled" default:"true"`
	FirstName     string     `json:"firstName,omitempty" kc:"firstName"`
	LastName      string     `json:"lastName,omitempty" kc:"lastName"`
	Attributes    attributes `json:"attributes,omitempty"`
	// InitialPassword is what a new user logs in with. Unlike in the official plugin, one that differs from the state's
	// is set again. What the user changed it to is not looked at.
	InitialPassword *initialPassword `json:"initialPassword,omitempty"`
}

type initialPassword struct {
	Value string `json:"value"`
	// Temporary makes the user change it at the first login.
	Temporary *bool `json:"temporary,omitempty" default:"false"`
}

func userType() embedded.Resource[*admin.Client] {
	k := &kind[userArgs, userArgs]{
		token: "keycloak:index/user:User", what: "user",
		// The e-mail address is taken until the old user is gone.
		replace: []string{"realmId", "username"}, deleteFirst: true,
		secret: []string{"initialPassword"},
		check:  checkUser,
		equal:  func(key string, a, b any) bool { return key == "email" && sameEmail(a, b) },

		inputs: func(s *userArgs) *userArgs { return s },
		realm:  func(in *userArgs) string { return in.RealmID },
		name:   func(in *userArgs) string { return in.Username },
		id:     func(o admin.Object) string { return o.Text("id") },

		mark: onRealm,

		write: writeUser, settle: settleUser, read: readUser,
		// What the user has to do is between it and Keycloak.
		omit: []string{"access", "requiredActions"},

		find: func(ctx context.Context, c *admin.Client, in *userArgs) (admin.Object, error) {
			return c.FindUser(ctx, in.RealmID, in.Username)
		},
		get: func(ctx context.Context, c *admin.Client, in *userArgs, id string) (admin.Object, error) {
			return c.GetUser(ctx, in.RealmID, id)
		},
		post: func(ctx context.Context, c *admin.Client, in *userArgs, o admin.Object) error {
			if p := in.InitialPassword; p != nil {
				o["credentials"] = []any{admin.Password(p.Value, isTrue(p.Temporary))}
			}
			return c.CreateUser(ctx, in.RealmID, o)
		},
		put: func(ctx context.Context, c *admin.Client, in *userArgs, id string, o admin.Object) error {
			return c.UpdateUser(ctx, in.RealmID, id, o)
		},
		remove: func(ctx context.Context, c *admin.Client, in *userArgs, id string) error {
			return c.DeleteUser(ctx, in.RealmID, id)
		},
	}
	return k.resource()
}

func checkUser(in *userArgs) []embedded.Problem {
	fill(in)
	var c checks
	c.texts(in)
	c.required("realmId", in.RealmID)
	c.name("username", in.Username)
	if lower := strings.ToLower(in.Username); lower != in.Username {
		c.add("username", "must be in lower case, as Keycloak makes it: write %q", lower)
	}
	c.length("email", in.Email)
	c.length("firstName", in.FirstName)
	c.length("lastName", in.LastName)
	for _, key := range slices.Sorted(maps.Keys(in.Attributes)) {
		if in.Attributes[key] == "" {
			c.add("attributes", "%q has no value, which Keycloak does not keep: leave it out", key)
		}
	}
	if in.InitialPassword != nil {
		fill(in.InitialPassword)
		var inner checks
		inner.required("value", in.InitialPassword.Value)
		inner.texts(in.InitialPassword)
		for _, p := range inner {
			c.add("initialPassword", "%s %s", p.Input, p.Reason)
		}
	}
	return c
}

// sameEmail says that two addresses are one: Keycloak writes them in lower case.
func sameEmail(a, b any) bool { return strings.EqualFold(fmt.Sprint(a), fmt.Sprint(b)) }

func writeUser(in, before *userArgs, o admin.Object) {
	email := o.Text("email")
	write(in, o)
	if sameEmail(email, in.Email) && email != "" {
		o["email"] = email
	}
	var declared attributes
	if before != nil {
		declared = before.Attributes
	}
	if len(in.Attributes)+len(declared) > 0 {
		in.Attributes.write(o.Sub("attributes"), declared, form{lists: true})
	}
}

// settleUser sets the password, unless it is the one that the user was made with, and holds that Keycloak kept the
// attributes: those that the realm's user profile does not know it drops without a word.
func settleUser(ctx context.Context, c *admin.Client, in, before *userArgs, o admin.Object) error {
	if p := in.InitialPassword; p != nil && (before == nil || !p.equal(before.InitialPassword)) {
		if err := c.SetPassword(ctx, in.RealmID, o.Text("id"), p.Value, isTrue(p.Temporary)); err != nil {
			return err
		}
	}
	kept := in.Attributes.read(o.Sub("attributes"))
	for _, key := range slices.Sorted(maps.Keys(in.Attributes)) {
		if _, ok := kept[key]; !ok {
			return fmt.Errorf("user %s: Keycloak dropped the attribute %s, which the user profile of realm %s does not know",
				in.Username, key, in.RealmID)
		}
	}
	return nil
}

func (p *initialPassword) equal(q *initialPassword) bool {
	return q != nil && p.Value == q.Value && isTrue(p.Temporary) == isTrue(q.Temporary)
}

func readUser(_ context.Context, _ *admin.Client, o admin.Object, in userArgs) (userArgs, error) {
	out := userArgs{RealmID: in.RealmID, InitialPassword: in.InitialPassword}
	read(o, &out)
	out.Attributes = in.Attributes.read(o.Sub("attributes"))
	return out, nil
}
