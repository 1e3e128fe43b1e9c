package state

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"time"
)

// DefaultUser is the system user who runs the services when root runs plattr: PostgreSQL refuses root, and nothing
// that listens should have its rights.
const DefaultUser = "plattr"

// User is an operating system user.
type User struct {
	Name     string
	UID, GID uint32
}

// UserError says that there is no user to run the services.
type UserError struct {
	Name string
	Err  error
}

func (e *UserError) Error() string {
	return fmt.Sprintf("services never run as root, and user %s, who should run them, could not be made: %v", e.Name, e.Err)
}

func (e *UserError) Unwrap() error { return e.Err }

// Hint is the next step.
func (e *UserError) Hint() string {
	return "run plattr as an ordinary user, or set PLATTR_SERVICE_USER to a user who exists"
}

// serviceUser returns the user whom PLATTR_SERVICE_USER names, else plattr, who is made if missing.
func serviceUser(ctx context.Context, getenv func(string) string) (*User, error) {
	name := getenv("PLATTR_SERVICE_USER")
	if name != "" {
		u, err := lookupUser(name)
		if err == nil && u.UID == 0 {
			err = errors.New("it is root")
		}
		if err != nil {
			return nil, fmt.Errorf("PLATTR_SERVICE_USER=%s: %w", name, err)
		}
		return u, nil
	}
	u, err := lookupUser(DefaultUser)
	var unknown user.UnknownUserError
	if !errors.As(err, &unknown) {
		return u, err
	}
	if err := addUser(ctx, DefaultUser); err != nil {
		return nil, &UserError{DefaultUser, err}
	}
	if u, err = lookupUser(DefaultUser); err != nil {
		return nil, &UserError{DefaultUser, err}
	}
	return u, nil
}

func addUser(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "useradd", "--system", "--user-group", "--no-create-home",
		"--home-dir", rootPath, "--shell", "/usr/sbin/nologin", name).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 9 {
		return nil // another plattr made it in the meantime
	}
	if err != nil {
		return fmt.Errorf("useradd: %w: %.200s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func lookupUser(name string) (*User, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("look up the user: %w", err)
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, fmt.Errorf("look up the user: %w", err)
	}
	return &User{Name: name, UID: uint32(uid), GID: uint32(gid)}, nil
}
