// Package migration applies an application's migrations in the cluster, once for each release and before its rollout: a
// Job runs plattr in the application's image.
package migration

import (
	"errors"
	"fmt"

	batchv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/kube"
)

// Type is the Pulumi type token; changing it replaces every deployed Migration.
const Type = "plattr:components:Migration"

// Args is what a Migration needs. The component takes its provider, kubernetes, from its resource options.
type Args struct {
	App kube.App
	// Release names the Job. A release migrates once: what it did is in the database, the Job tells the story.
	Release string
	// Image is the application's by digest, PlattrImage holds the program that migrates.
	Image, PlattrImage string
	// User is who it runs as, where the image names no number; 0 leaves it to the image.
	User int
	// Engine and Path are those of plattr.yaml; the path is relative to the image's working directory.
	Engine, Path string
	// Schema holds the record of what ran.
	Schema string
	// Past keeps the Job of an earlier release as it is.
	Past bool
	// Settings is the environment, a later source counts more.
	Settings []kube.Source
}

// Migration is the migration of one release.
type Migration struct {
	pulumi.ResourceState

	// Job is known when the migration is done.
	Job pulumi.StringOutput
}

const (
	toolsVolume, toolsFolder = "plattr", "/plattr"
	// deadline is how long migrations may take, in seconds, the wait for another release's included.
	deadline = 3600
)

// New registers a Migration and its Job.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Migration, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("migration %q: %w", name, err)
	}
	m := &Migration{}
	if err := ctx.RegisterComponentResource(Type, name, m, opts...); err != nil {
		return nil, fmt.Errorf("register migration %q: %w", name, err)
	}
	job, err := batchv1.NewJob(ctx, name, &batchv1.JobArgs{
		Metadata: args.App.Object(args.Name()),
		Spec: &batchv1.JobSpecArgs{
			// What failed is not tried again: a migration that is wrong stays wrong, and the next release has another Job.
			BackoffLimit: pulumi.Int(0), ActiveDeadlineSeconds: pulumi.Int(deadline),
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: args.App.PodLabels(kube.RoleMigration)},
				Spec:     args.pod(),
			},
		},
	}, args.options(m)...)
	if err != nil {
		return nil, fmt.Errorf("migration %q: %w", name, err)
	}
	m.Job = job.Metadata.Name().Elem()
	return m, ctx.RegisterResourceOutputs(m, pulumi.Map{"job": m.Job}) //nolint:wrapcheck // there is nothing to add
}

func (a *Args) options(parent pulumi.Resource) []pulumi.ResourceOption {
	opts := []pulumi.ResourceOption{pulumi.Parent(parent)}
	if a.Past {
		opts = append(opts, pulumi.IgnoreChanges([]string{"spec", "metadata"}))
	}
	return opts
}

// Name is the Job's.
func (a *Args) Name() string { return a.App.MigrationJobs() + a.Release }

func (a *Args) validate() error {
	errs := []error{a.App.Validate()}
	if a.Release == "" || a.Engine == "" || a.Schema == "" || a.PlattrImage == "" {
		errs = append(errs, errors.New("a release, an engine, a schema and the image of plattr are required"))
	}
	if !kube.HasDigest(a.Image) {
		errs = append(errs, fmt.Errorf("image %q names no digest", a.Image))
	}
	return errors.Join(errs...)
}

func (a *Args) pod() *corev1.PodSpecArgs {
	mounts := corev1.VolumeMountArray{&corev1.VolumeMountArgs{Name: pulumi.String(toolsVolume), MountPath: pulumi.String(toolsFolder)}}
	install := container("plattr", a.PlattrImage, "pod", "install", toolsFolder)
	install.VolumeMounts = mounts
	migrate := container(kube.ContainerMigrate, a.Image, "pod", "migrate", "--engine", a.Engine, "--path", a.Path, "--migrations-schema", a.Schema)
	migrate.Command = pulumi.StringArray{pulumi.String(toolsFolder + "/plattr")} // the image may have no shell
	migrate.VolumeMounts, migrate.EnvFrom = mounts, kube.EnvFrom(a.Settings)
	return &corev1.PodSpecArgs{
		RestartPolicy: pulumi.String("Never"), SecurityContext: kube.PodSecurity(a.User),
		AutomountServiceAccountToken: pulumi.Bool(false), EnableServiceLinks: pulumi.Bool(false),
		InitContainers: corev1.ContainerArray{install}, Containers: corev1.ContainerArray{migrate},
		Volumes: corev1.VolumeArray{&corev1.VolumeArgs{
			Name: pulumi.String(toolsVolume), EmptyDir: &corev1.EmptyDirVolumeSourceArgs{SizeLimit: pulumi.String("512Mi")},
		}},
	}
}

func container(name, image string, args ...string) *corev1.ContainerArgs {
	return &corev1.ContainerArgs{
		Name: pulumi.String(name), Image: pulumi.String(image), ImagePullPolicy: pulumi.String("IfNotPresent"),
		Args:      pulumi.ToStringArray(args),
		Resources: kube.Resources("50m", "64Mi", "1Gi"), SecurityContext: kube.ContainerSecurity(),
		TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
	}
}
