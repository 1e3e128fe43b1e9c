package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// GetRealm returns a realm, or nil: GET /realms/{realm}. Who may see something in a realm, but not the realm, is answered
// with its name alone; like other refusals that is believed when it lasts (see allowed).
func (c *Client) GetRealm(ctx context.Context, realm string) (Object, error) {
	in := call{doing: fmt.Sprintf("read realm %q", realm), path: []string{realm}, role: "view-realm"}
	for began := time.Now(); ; {
		o, err := absent(c.object(ctx, in))
		if err != nil || o == nil || o.Text("id") != "" {
			return o, err
		}
		if time.Since(began) > c.vanishing {
			return nil, &Error{
				Doing: in.doing, Host: c.host, Status: http.StatusForbidden, Administrator: c.administrator(), Role: in.role,
			}
		}
		if err := pause(ctx, refusedPause); err != nil {
			return nil, fmt.Errorf("%s: %w", in.doing, err)
		}
	}
}

// CreateRealm is POST /realms. It takes seconds: the realm's keys are made.
func (c *Client) CreateRealm(ctx context.Context, realm string, o Object) error {
	return c.do(ctx, call{
		doing: fmt.Sprintf("create realm %q", realm), method: http.MethodPost, body: o,
		role: "create-realm", atLeast: slow,
	}, nil)
}

// UpdateRealm is PUT /realms/{realm}. Attributes are set as a whole, and some fields that are left out go back to their
// defaults (those of the device flow), so send all of what was read.
func (c *Client) UpdateRealm(ctx context.Context, realm string, o Object) error {
	return c.do(ctx, call{
		doing: fmt.Sprintf("change realm %q", realm), method: http.MethodPut, path: []string{realm}, body: o,
		role: "manage-realm",
	}, nil)
}

// DeleteRealm is DELETE /realms/{realm}: with all that is in it.
func (c *Client) DeleteRealm(ctx context.Context, realm string) error {
	return c.remove(ctx, call{
		doing: fmt.Sprintf("delete realm %q", realm), path: []string{realm}, role: "manage-realm", atLeast: slow,
	})
}
