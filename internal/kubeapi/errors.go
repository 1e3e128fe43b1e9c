package kubeapi

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Error is an answer of a cluster as a person needs it: what is wrong, in one line that ends with the next step. The
// client's own error is below.
type Error struct {
	Line  string
	Cause error
}

func (e *Error) Error() string { return e.Line }

func (e *Error) Unwrap() error { return e.Cause }

// Explained returns an [Error] of one line.
func Explained(cause error, format string, args ...any) error {
	return &Error{Line: strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "), Cause: cause}
}

// Explain turns what the client says about an object into an [Error].
func (c *Cluster) Explain(t Target, err error) error {
	if err == nil {
		return nil
	}
	if errors.As(err, new(*Error)) {
		return err
	}
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok {
		return c.explainStatus(t, status)
	}
	if line := c.Unreachable(err); line != "" {
		return Explained(err, "%s", line)
	}
	if errors.Is(err, ErrNoKind) {
		return Explained(err, "%s: cluster %s has no kind %s in %s: install its CustomResourceDefinition first, or depend on it",
			t, c.label(), t.GVK.Kind, t.GVK.GroupVersion())
	}
	return fmt.Errorf("%s: %w", t, err)
}

// label is how people know the cluster.
func (c *Cluster) label() string {
	if c.context == "" {
		return c.url
	}
	return fmt.Sprintf("%s (context %s)", c.url, c.context)
}

// who is the identity that the cluster was asked with.
func (c *Cluster) who() string {
	if c.context == "" {
		return "the pod's service account"
	}
	return fmt.Sprintf("user %q of the kubeconfig", c.User)
}

// missing is what client-go says of an exec plugin that is not there.
var missing = regexp.MustCompile(`exec: (?:executable |")([^ "]+)"?(?: not found|: executable file not found)`)

// failed is what client-go says of an exec plugin that ended with an error.
var failed = regexp.MustCompile(`exec: executable (\S+) failed with exit code (\d+)`)

// Unreachable is the line for a cluster that was not asked, or did not answer; empty if that is not it.
func (c *Cluster) Unreachable(err error) string {
	text := err.Error()
	if m := missing.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("cannot sign in to cluster %s: %s signs in with the program %q, which is not installed: "+
			"install it, or use a kubeconfig with a token or certificate", c.label(), c.who(), m[1])
	}
	if m := failed.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("cannot sign in to cluster %s: the program %q of %s failed with exit code %s: "+
			"run it by hand to see why, usually to log in again", c.label(), m[1], c.who(), m[2])
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("cannot reach cluster %s: host %s is not known: check the kubeconfig's server and the network", c.label(), dns.Name)
	case strings.Contains(text, "x509:"), strings.Contains(text, "tls: "):
		_, why, _ := strings.Cut(text, "tls: ")
		return fmt.Sprintf("cannot trust cluster %s: %s: the kubeconfig is of another cluster, or an old one: fetch it again", c.label(), why)
	case interrupted(err), errors.As(err, new(*net.OpError)):
		return fmt.Sprintf("cannot reach cluster %s: %s: check that it runs and that the context is the right one", c.label(), innermost(err))
	}
	return ""
}

// innermost is the shortest true reason: "connect: connection refused".
func innermost(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		if _, ok := errors.AsType[*net.OpError](inner); !ok && errors.As(err, new(*net.OpError)) {
			return inner.Error()
		}
		err = inner
	}
}

// What the API server's texts say where it has no codes.
var (
	forbidden = regexp.MustCompile(`User "([^"]*)" cannot (\w+) resource "([^"]*)"(?: in API group "[^"]*")?( in the namespace "[^"]*")?`)
	quota     = regexp.MustCompile(`exceeded quota: ([^,]+), requested: (.*?), used: (.*?), limited: (.*)$`)
	webhook   = regexp.MustCompile(`admission webhook "([^"]+)" denied the request:? ?(.*)`)
	calling   = regexp.MustCompile(`failed calling webhook "([^"]+)": ?(.*)`)
	undefined = regexp.MustCompile(`failed to create typed patch object \([^)]*\): (.*)`)
	manager   = regexp.MustCompile(`conflict with "([^"]+)"`)
)

func (c *Cluster) explainStatus(t Target, err *apierrors.StatusError) error {
	text := err.ErrStatus.Message
	if m := undefined.FindStringSubmatch(text); m != nil {
		return Explained(err, "%s: %s: the kind has no such field: correct the program", t, withoutValues(t, m[1]))
	}
	if m := webhook.FindStringSubmatch(text); m != nil {
		return Explained(err, "%s: refused by admission webhook %q: %s", t, m[1], withoutValues(t, m[2]))
	}
	if m := calling.FindStringSubmatch(text); m != nil {
		return Explained(err, "%s: admission webhook %q does not answer (%s): repair it, or remove its configuration", t, m[1], m[2])
	}
	switch {
	case apierrors.IsForbidden(err):
		return c.explainForbidden(t, err)
	case apierrors.IsUnauthorized(err):
		return Explained(err, "cluster %s does not accept %s: the token or certificate is wrong or has expired: sign in again", c.label(), c.who())
	case apierrors.IsConflict(err):
		return explainConflict(t, err)
	case apierrors.IsInvalid(err):
		return explainInvalid(t, err)
	case apierrors.IsNotFound(err) && err.ErrStatus.Details != nil && err.ErrStatus.Details.Kind == "namespaces":
		return Explained(err, "%s: namespace %s does not exist: create it first, or depend on it", t, t.Namespace)
	case apierrors.IsTooManyRequests(err):
		return Explained(err, "%s: cluster %s has too much to do (429) and still had when patience ended: try again later", t, c.label())
	case apierrors.IsServiceUnavailable(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsInternalError(err), badGateway(err):
		return Explained(err, "%s: cluster %s could not answer (%d): %s: try again later", t, c.label(), err.ErrStatus.Code, withoutValues(t, text))
	}
	return Explained(err, "%s: %s", t, withoutValues(t, text))
}

func (c *Cluster) explainForbidden(t Target, err *apierrors.StatusError) error {
	text := err.ErrStatus.Message
	if apierrors.HasStatusCause(err, "NamespaceTerminating") || strings.Contains(text, "because it is being terminated") {
		return Explained(err, "%s: namespace %s is being deleted: wait until it is gone, then run again", t, t.Namespace)
	}
	if m := quota.FindStringSubmatch(text); m != nil {
		return Explained(err, "%s: quota %s of namespace %s is exceeded: asks for %s, in use are %s of %s: raise the quota or ask for less",
			t, m[1], t.Namespace, m[2], m[3], m[4])
	}
	if m := forbidden.FindStringSubmatch(text); m != nil {
		where := strings.ReplaceAll(strings.TrimPrefix(m[4], " in the "), `"`, "")
		if where == "" {
			where = "the whole cluster"
		}
		return Explained(err, "%s: %s may not %s %s in %s: ask for a role that allows it, or use another context", t, m[1], m[2], m[3], where)
	}
	_, why, found := strings.Cut(text, "is forbidden: ")
	if !found {
		why = text
	}
	return Explained(err, "%s: refused by the cluster's admission: %s", t, withoutValues(t, why))
}

// explainConflict says which fields belong to whom.
func explainConflict(t Target, err *apierrors.StatusError) error {
	owners := map[string][]string{}
	var names []string
	for _, cause := range causes(err) {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		name := "another"
		if m := manager.FindStringSubmatch(cause.Message); m != nil {
			name = m[1]
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		owners[name] = append(owners[name], cause.Field)
	}
	if len(names) == 0 {
		return Explained(err, "%s: %s: run again", t, err.ErrStatus.Message)
	}
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s belongs to field manager %q", strings.Join(some(owners[name]), ", "), name))
	}
	return Explained(err, `%s: %s: leave it out of the program, or take it by the annotation pulumi.com/patchForce: "true"`,
		t, strings.Join(parts, "; "))
}

func explainInvalid(t Target, err *apierrors.StatusError) error {
	var parts []string
	next := "a rule of this cluster's owners forbids it: ask them"
	for _, cause := range causes(err) {
		what := cause.Message
		if t.GVK.Kind == "Secret" {
			what = "is refused (" + string(cause.Type) + ")" // the message quotes the value
		}
		if cause.Field != "" {
			what = cause.Field + ": " + what
			next = "correct the program"
		}
		parts = append(parts, what)
	}
	if immutable(err) {
		next = "it cannot be changed in place: replace the object (replaceOnChanges), or delete it first"
	}
	if len(parts) == 0 {
		parts = append(parts, withoutValues(t, err.ErrStatus.Message))
	}
	return Explained(err, "%s: %s: %s", t, strings.Join(some(parts), "; "), next)
}

// immutable says that the object would be taken if it were new.
func immutable(err error) bool {
	if !apierrors.IsInvalid(err) {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "immutable") || strings.Contains(text, "may not be changed") ||
		strings.Contains(text, "may not change") || strings.Contains(text, "cannot change") ||
		strings.Contains(text, "are forbidden") || strings.Contains(text, "may not be updated")
}

func causes(err *apierrors.StatusError) []metav1.StatusCause {
	if err.ErrStatus.Details == nil {
		return nil
	}
	return err.ErrStatus.Details.Causes
}

func some(list []string) []string {
	if len(list) > 5 {
		return append(slices.Clone(list[:5]), fmt.Sprintf("%d more", len(list)-5))
	}
	return list
}

// quoted is a value in a message of the API server.
var quoted = regexp.MustCompile(`(Invalid|Unsupported|Duplicate) value: (?:"(?:[^"\\]|\\.)*"|[^:]*)`)

// withoutValues drops the values that the API server quotes, for a Secret.
func withoutValues(t Target, text string) string {
	if t.GVK.Kind != "Secret" {
		return text
	}
	return quoted.ReplaceAllString(text, "$1 value: [secret]")
}

// IsIdentity says that an apply met another object than the one it was for, or none.
func IsIdentity(err error) bool {
	return apierrors.IsConflict(err) && (strings.Contains(err.Error(), "uid mismatch") || strings.Contains(err.Error(), "UID in precondition"))
}

// IsConflict says that fields belong to somebody else.
func IsConflict(err error) bool {
	return apierrors.IsConflict(err) && apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict)
}

// NoDryRun says that a dry run is refused where the real one might not be: a webhook with side effects.
func NoDryRun(err error) bool {
	return apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "dry run")
}

// IsRefused says that admission would not take the object as the program has it.
func IsRefused(err error) bool {
	return apierrors.IsForbidden(err) && !forbidden.MatchString(err.Error()) || webhook.MatchString(err.Error())
}

// WebhookDown says that an admission webhook does not answer.
func WebhookDown(err error) bool { return calling.MatchString(err.Error()) }
