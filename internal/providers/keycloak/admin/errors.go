package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Error is an answer of Keycloak's that is no success.
type Error struct {
	// Doing is what was attempted.
	Doing string
	// Host is the server's.
	Host string
	// Status is HTTP's.
	Status int
	// Message is what Keycloak says.
	Message string
	// Administrator and Role are who asked, and what would be allowed to, when Status is 403.
	Administrator, Role string
}

func (e *Error) Error() string {
	if e.Status == http.StatusForbidden && e.Role != "" {
		return fmt.Sprintf("%s: Keycloak at %s refuses this to the administrator %s, who lacks the role %s",
			e.Doing, e.Host, e.Administrator, e.Role)
	}
	return fmt.Sprintf("%s: Keycloak at %s answered %d: %s", e.Doing, e.Host, e.Status, e.Message)
}

// LoginError says that Keycloak does not know the administrator, or not by this secret.
type LoginError struct {
	// Name is the administrator's, Realm the one it should live in.
	Name, Realm string
	// Host is the server's.
	Host string
	// Reason is what Keycloak says.
	Reason string
}

func (e *LoginError) Error() string {
	return fmt.Sprintf("Keycloak at %s refuses the administrator %s: %s", e.Host, e.Name, e.Reason)
}

// Hint says what to look at.
func (e *LoginError) Hint() string {
	return fmt.Sprintf("check the name and the secret of Keycloak's administrator %s, and that it is in realm %s", e.Name, e.Realm)
}

// UnreachableError says that the server was not there for as long as a run waits for it.
type UnreachableError struct {
	// Doing is what was attempted.
	Doing string
	// Host is the server's.
	Host string
	// For is how long it was tried.
	For time.Duration
	// Last is what came of the last try.
	Last string
}

func (e *UnreachableError) Error() string {
	if e.For == 0 {
		return fmt.Sprintf("%s: Keycloak at %s cannot be reached: %s", e.Doing, e.Host, e.Last)
	}
	return fmt.Sprintf("%s: Keycloak at %s cannot be reached, in %s of trying: %s", e.Doing, e.Host, e.For, e.Last)
}

// lostError says that a POST may or may not have been carried out.
type lostError struct{ doing, host, reason string }

func (e *lostError) Error() string {
	return fmt.Sprintf("%s: the answer of Keycloak at %s was lost: %s", e.doing, e.host, e.reason)
}

// IsLost says that a thing may have been created though no answer says so: look for it.
func IsLost(err error) bool {
	var lost *lostError
	return errors.As(err, &lost)
}

// IsNotFound says that the thing, or what it is in, does not exist.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// IsConflict says that the name is taken.
func IsConflict(err error) bool { return hasStatus(err, http.StatusConflict) }

// IsTroubled says that Keycloak failed, which may be its database: whether it did anything is not known.
func IsTroubled(err error) bool { return hasStatus(err, http.StatusInternalServerError) }

// IsRejected says that Keycloak could not do it, which it also says (500, or 400 with a remark on its database) when
// two requests make one thing at the same time.
func IsRejected(err error) bool {
	return hasStatus(err, http.StatusInternalServerError) || hasStatus(err, http.StatusBadRequest)
}

func hasStatus(err error, status int) bool {
	var answer *Error
	return errors.As(err, &answer) && answer.Status == status
}

// longest is how much of a message that is no JSON is shown.
const longest = 200

// complaint is one error as Keycloak writes it: OAuth's two fields, or the admin API's, or a form field's.
type complaint struct {
	Code        string      `json:"error"`
	Description string      `json:"error_description"`
	Message     string      `json:"errorMessage"`
	Field       string      `json:"field"`
	Params      []any       `json:"params"`
	Errors      []complaint `json:"errors"`
}

// message makes one line of an answer's body.
func message(body []byte) string {
	var c complaint
	if json.Unmarshal(body, &c) == nil {
		if m := c.String(); m != "" {
			return m
		}
	}
	line := strings.Join(strings.Fields(string(body)), " ")
	if line == "" {
		return "nothing"
	}
	if len(line) > longest {
		line = line[:longest]
		for !utf8.ValidString(line) {
			line = line[:len(line)-1]
		}
		line += "..."
	}
	return line
}

func (c complaint) String() string {
	if len(c.Errors) > 0 {
		all := make([]string, 0, len(c.Errors))
		for _, e := range c.Errors {
			all = append(all, e.String())
		}
		slices.Sort(all)
		return strings.Join(all, "; ")
	}
	out := c.Code
	switch {
	case c.Message != "":
		out = c.meaning()
	case c.Description != "":
		out = c.Description
	}
	if c.Field != "" {
		out = c.Field + ": " + out
	}
	return strings.Join(strings.Fields(out), " ")
}

// meaning puts the message keys of Keycloak's user profile into words; other messages are words already.
// Source: Keycloak's themes/base/admin/messages.
func (c complaint) meaning() string {
	switch c.Message {
	case "error-username-invalid-character", "error-person-name-invalid-character":
		return "holds a character that the realm's user profile does not allow"
	case "error-invalid-email":
		return "is no e-mail address"
	case "error-user-attribute-required":
		return "is required by the realm's user profile"
	case "error-invalid-length", "error-invalid-length-too-long", "error-invalid-length-too-short":
		if len(c.Params) == 3 {
			return fmt.Sprintf("must have from %v to %v characters", orZero(c.Params[1]), c.Params[2])
		}
	}
	return c.Message
}

func orZero(v any) any {
	if v == nil {
		return 0
	}
	return v
}
