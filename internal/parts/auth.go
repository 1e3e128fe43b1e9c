package parts

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// patience is how long Keycloak is asked again where that may help: less than a part may take.
const patience = 3 * time.Second

func (a Asker) auth(ctx context.Context) (cluster.Part, error) {
	p, err := a.server(ctx, deploy.Servers{Auth: true})
	if err != nil {
		return cluster.Part{}, err
	}
	c, err := admin.New(admin.Config{
		URL: cmp.Or(p.Auth.InternalURL, p.Auth.URL), Realm: "master", ClientID: p.Auth.Admin.User, ClientSecret: p.Auth.Admin.Secret,
		Patience: patience,
	})
	if err != nil {
		return cluster.Part{}, &unaskedError{err}
	}
	defer c.Close()
	part, err := realm(ctx, c, a.names().Realm)
	if isRefused(err) {
		err = &refusedError{err}
	}
	return part, err
}

func realm(ctx context.Context, c *admin.Client, name string) (cluster.Part, error) {
	part := cluster.Part{Detail: "realm " + name}
	found, err := c.GetRealm(ctx, name)
	if err != nil {
		return part, err
	}
	if found == nil {
		part.State, part.Why = cluster.PartAbsent, "there is no such realm"
		return part, nil
	}
	list, err := c.IdentityProviders(ctx, name)
	if err != nil {
		return part, err
	}
	part.State, part.Auth = cluster.PartReady, &cluster.Auth{Realm: name, Providers: []string{}}
	for _, provider := range list {
		if provider["enabled"] != false {
			part.Auth.Providers = append(part.Auth.Providers, provider.Text("alias"))
		}
	}
	slices.Sort(part.Auth.Providers)
	part.Detail += ", " + cli.Count(len(part.Auth.Providers), "provider")
	if found["enabled"] == false {
		part.State, part.Why = cluster.PartFailed, "the realm is disabled: nobody can sign in"
	}
	return part, nil
}

// isRefused tells that the administrator is not known, or may not see the realm.
func isRefused(err error) bool {
	var login *admin.LoginError
	var answer *admin.Error
	return errors.As(err, &login) || errors.As(err, &answer) && (answer.Status == http.StatusForbidden || answer.Status == http.StatusUnauthorized)
}
