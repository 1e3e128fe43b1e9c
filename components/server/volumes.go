package server

import (
	"fmt"
	"maps"
	"slices"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	dataVolume    = "data"
	secretsVolume = "secrets"
)

// secretsMode lets the pod's group read them: files of a Secret belong to root and the group of the pod.
const secretsMode = 0o440

func (a *Args) volumes(secrets pulumi.StringInput) corev1.VolumeArray {
	var all corev1.VolumeArray
	if a.Volume != nil {
		all = append(all, &corev1.VolumeArgs{
			Name: pulumi.String(dataVolume),
			// It is there: whoever made it gave it to the pod's user.
			HostPath: &corev1.HostPathVolumeSourceArgs{Path: pulumi.String(a.Volume.Folder), Type: pulumi.String("Directory")},
		})
	}
	if len(a.Secrets) > 0 {
		all = append(all, &corev1.VolumeArgs{
			Name:   pulumi.String(secretsVolume),
			Secret: &corev1.SecretVolumeSourceArgs{SecretName: secrets, DefaultMode: pulumi.Int(secretsMode)},
		})
	}
	for i := range a.Scratch {
		all = append(all, &corev1.VolumeArgs{Name: scratch(i), EmptyDir: &corev1.EmptyDirVolumeSourceArgs{}})
	}
	return all
}

func (a *Args) mounts() corev1.VolumeMountArray {
	var all corev1.VolumeMountArray
	if a.Volume != nil {
		all = append(all, &corev1.VolumeMountArgs{Name: pulumi.String(dataVolume), MountPath: pulumi.String(a.Volume.Path)})
	}
	if len(a.Secrets) > 0 {
		all = append(all, &corev1.VolumeMountArgs{
			Name: pulumi.String(secretsVolume), MountPath: pulumi.String(SecretsPath), ReadOnly: pulumi.Bool(true),
		})
	}
	for i, folder := range a.Scratch {
		all = append(all, &corev1.VolumeMountArgs{Name: scratch(i), MountPath: pulumi.String(folder)})
	}
	return all
}

func scratch(i int) pulumi.String { return pulumi.String(fmt.Sprintf("scratch-%d", i)) }

func environment(c Container, secrets pulumi.StringInput) corev1.EnvVarArray {
	var vars corev1.EnvVarArray
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		vars = append(vars, &corev1.EnvVarArgs{Name: pulumi.String(name), Value: pulumi.String(c.Env[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(c.SecretEnv)) {
		vars = append(vars, &corev1.EnvVarArgs{Name: pulumi.String(name), ValueFrom: &corev1.EnvVarSourceArgs{
			SecretKeyRef: &corev1.SecretKeySelectorArgs{Name: secrets, Key: pulumi.String(c.SecretEnv[name])},
		}})
	}
	return vars
}
