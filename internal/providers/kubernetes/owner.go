package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"plattr.dev/plattr/internal/kubeapi"
)

// markKey is the annotation that says which stack, as project/stack, an object belongs to. It is applied with the object
// itself, so there is no moment at which a thing of ours is unmarked; because the stack owns the field, another stack
// that applies the same name gets a conflict instead of the object.
const markKey = "plattr.dev/owner"

// ForeignError says that an object with a wanted name is there and is not this stack's.
type ForeignError struct {
	// Object is kind and name, as Service shop/web.
	Object string
	// Owner is the other stack; empty for a thing that a person or another program made.
	Owner string
	// Makers are the field managers of a thing without an owner, as kubectl.
	Makers []string

	stack string
}

func (e *ForeignError) Error() string {
	who := "belongs to stack " + e.Owner
	if e.Owner == "" {
		who = "exists and no stack made it"
		if len(e.Makers) > 0 {
			who += " (it is from " + strings.Join(e.Makers, ", ") + ")"
		}
	}
	return fmt.Sprintf("%s %s: choose another name, or give it to this stack by the annotation %s=%s",
		e.Object, who, markKey, e.stack)
}

func foreign(t kubeapi.Target, live *unstructured.Unstructured, stack string) error {
	e := &ForeignError{Object: t.String(), Owner: live.GetAnnotations()[markKey], stack: stack}
	for _, f := range live.GetManagedFields() {
		if f.Subresource == "" && !slices.Contains(e.Makers, f.Manager) {
			e.Makers = append(e.Makers, f.Manager)
		}
	}
	return e
}

// owns says that a live object is a stack's: it carries the mark, or none and is the very object that the state has,
// which the official plugin may have made.
func owns(live *unstructured.Unstructured, stack, uid string) bool {
	mark := live.GetAnnotations()[markKey]
	return mark == stack || mark == "" && uid != "" && string(live.GetUID()) == uid
}

// managerOf is the one field manager of a stack. The API takes 128 characters.
func managerOf(stack string) string {
	name := "plattr:" + stack
	if len(name) <= 128 {
		return name
	}
	sum := sha256.Sum256([]byte(stack))
	return name[:111] + "-" + hex.EncodeToString(sum[:8])
}
