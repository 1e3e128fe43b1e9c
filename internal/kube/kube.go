// Package kube is what the Kubernetes objects of one application share, whichever component makes them: labels by which
// they find each other, security, and where the environment of a container comes from.
package kube

import (
	"errors"
	"fmt"
	"maps"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"k8s.io/apimachinery/pkg/util/validation"
)

// The labels. The first two are Kubernetes' recommended ones
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/).
const (
	LabelName        = "app.kubernetes.io/name"
	LabelManagedBy   = "app.kubernetes.io/managed-by"
	LabelEnvironment = "plattr.dev/environment"
	// LabelRole tells an application's pods apart: RoleServer answers requests, RoleMigration migrates.
	LabelRole = "plattr.dev/role"
)

// The values of LabelRole.
const (
	RoleServer    = "server"
	RoleMigration = "migration"
)

// The containers of an application's pods beside its own, which has the application's name.
const (
	// ContainerRest is PostgREST's.
	ContainerRest = "postgrest"
	// ContainerFirstKeys fetches the keys of the realm before PostgREST starts, ContainerKeys keeps them up to date.
	ContainerFirstKeys = "first-keys"
	ContainerKeys      = "keys"
	// ContainerMigrate is the one of a migration's pod.
	ContainerMigrate = "migrate"
)

// App is whose objects they are, and where.
type App struct {
	// Name is the application's.
	Name string
	// Namespace is where the objects are.
	Namespace string
	// Environment is staging, preview, ...
	Environment string
}

// Validate says what is missing, or is no name for an object.
func (a App) Validate() error {
	var errs []error
	for _, f := range []struct{ field, value string }{{"name", a.Name}, {"namespace", a.Namespace}, {"environment", a.Environment}} {
		if problems := validation.IsDNS1123Label(f.value); len(problems) > 0 {
			errs = append(errs, fmt.Errorf("%s %q: %s", f.field, f.value, problems[0]))
		}
	}
	return errors.Join(errs...)
}

// Labels are those of every object.
func (a App) Labels() pulumi.StringMap {
	return pulumi.StringMap{
		LabelName: pulumi.String(a.Name), LabelManagedBy: pulumi.String("plattr"), LabelEnvironment: pulumi.String(a.Environment),
	}
}

// PodLabels are those of the pods with a role.
func (a App) PodLabels(role string) pulumi.StringMap {
	labels := a.Labels()
	labels[LabelRole] = pulumi.String(role)
	return labels
}

// Selector chooses the pods with a role. It is fixed for the life of a Deployment.
func (a App) Selector(role string) pulumi.StringMap {
	return pulumi.StringMap{LabelName: pulumi.String(a.Name), LabelRole: pulumi.String(role)}
}

// MigrationJobs begins the names of the Jobs that migrate; they end with their release.
func (a App) MigrationJobs() string { return a.Name + "-migrate-" }

// forced lets an apply take back what a person changed in one of the application's own objects: these are nobody else's
// (https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/).
const forced = "pulumi.com/patchForce"

// Unawaited is the annotation of an object that works when it is there, whatever its status says.
func Unawaited() pulumi.StringMap {
	return pulumi.StringMap{"pulumi.com/skipAwait": pulumi.String("true")}
}

// Object is the metadata of one object.
func (a App) Object(name string, annotations ...pulumi.StringMap) *metav1.ObjectMetaArgs {
	m := &metav1.ObjectMetaArgs{Name: pulumi.String(name), Namespace: pulumi.String(a.Namespace), Labels: a.Labels()}
	all := pulumi.StringMap{forced: pulumi.String("true")}
	for _, some := range annotations {
		maps.Copy(all, some)
	}
	m.Annotations = all
	return m
}
