package kubernetes

import (
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plattr.dev/plattr/internal/kubeapi"
)

// What a program says about an object by annotations.
// Source: pulumi-kubernetes, provider/pkg/metadata/annotations.go and overrides.go.
const (
	skipAwaitAnnotation    = "pulumi.com/skipAwait"
	waitForAnnotation      = "pulumi.com/waitFor"
	timeoutAnnotation      = "pulumi.com/timeoutSeconds"
	replaceUnreadyKey      = "pulumi.com/replaceUnready"
	forceAnnotation        = "pulumi.com/patchForce"
	fieldManagerAnnotation = "pulumi.com/patchFieldManager"
	propagationAnnotation  = "pulumi.com/deletionPropagationPolicy"
)

func says(inputs map[string]any, key string) bool { return kubeapi.Annotation(inputs, key) == "true" }

// timeoutOf is how long is waited for an object: what the resource's options say, its annotation, the usual time.
func timeoutOf(seconds float64, inputs map[string]any, usual time.Duration) time.Duration {
	if seconds > 0 {
		return time.Duration(seconds * float64(time.Second))
	}
	if n, err := strconv.Atoi(kubeapi.Annotation(inputs, timeoutAnnotation)); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return usual
}

// propagation is what happens to the things that an object owns: they go first, unless the program says otherwise.
func propagation(inputs map[string]any) metav1.DeletionPropagation {
	switch strings.ToLower(kubeapi.Annotation(inputs, propagationAnnotation)) {
	case "orphan":
		return metav1.DeletePropagationOrphan
	case "background":
		return metav1.DeletePropagationBackground
	default:
		return metav1.DeletePropagationForeground
	}
}
