package kube

import (
	"strings"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Source is an object that the environment of a container is read from.
type Source struct {
	// Secret tells a Secret from a ConfigMap.
	Secret bool
	// Name is known when the object is there.
	Name pulumi.StringInput `json:"-"`
}

// EnvFrom reads an environment from sources; a later one counts more.
func EnvFrom(sources []Source) corev1.EnvFromSourceArray {
	from := corev1.EnvFromSourceArray{}
	for _, s := range sources {
		if s.Secret {
			from = append(from, &corev1.EnvFromSourceArgs{SecretRef: &corev1.SecretEnvSourceArgs{Name: s.Name}})
			continue
		}
		from = append(from, &corev1.EnvFromSourceArgs{ConfigMapRef: &corev1.ConfigMapEnvSourceArgs{Name: s.Name}})
	}
	return from
}

// HasDigest tells whether an image is named by its digest, and can therefore never be another one.
func HasDigest(image string) bool { return strings.Contains(image, "@sha256:") }

// PodSecurity is what the restricted level of Kubernetes asks of a pod
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/). User is who its processes are; 0 leaves that to
// the image.
func PodSecurity(user int) *corev1.PodSecurityContextArgs {
	s := &corev1.PodSecurityContextArgs{
		RunAsNonRoot: pulumi.Bool(true), SeccompProfile: &corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
	}
	if user != 0 {
		s.RunAsUser, s.RunAsGroup, s.FsGroup = pulumi.Int(user), pulumi.Int(user), pulumi.Int(user)
	}
	return s
}

// ContainerSecurity is what it asks of a container.
func ContainerSecurity() *corev1.SecurityContextArgs {
	return &corev1.SecurityContextArgs{
		AllowPrivilegeEscalation: pulumi.Bool(false),
		Capabilities:             &corev1.CapabilitiesArgs{Drop: pulumi.StringArray{pulumi.String("ALL")}},
	}
}

// Resources are small requests, and a limit of memory.
func Resources(cpu, memory, limit string) *corev1.ResourceRequirementsArgs {
	return &corev1.ResourceRequirementsArgs{
		Requests: pulumi.StringMap{"cpu": pulumi.String(cpu), "memory": pulumi.String(memory)},
		Limits:   pulumi.StringMap{"memory": pulumi.String(limit)},
	}
}
