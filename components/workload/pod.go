package workload

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/kube"
)

// The probes ask often at first and seldom later; all times in seconds.
const (
	startPeriod, startFailures = 2, 60
	readyPeriod, readyFailures = 5, 3
	livePeriod, liveFailures   = 10, 6
	probeTimeout               = 3
	// drain is how long a pod that ends goes on answering, so that no proxy meets a closed port.
	drain = 5
	grace = 30
)

func (a *Args) pod(account pulumi.StringInput) *corev1.PodSpecArgs {
	pod := &corev1.PodSpecArgs{
		ServiceAccountName: account, AutomountServiceAccountToken: pulumi.Bool(false), EnableServiceLinks: pulumi.Bool(false),
		SecurityContext:               kube.PodSecurity(a.User),
		TerminationGracePeriodSeconds: pulumi.Int(grace),
		TopologySpreadConstraints:     corev1.TopologySpreadConstraintArray{a.spread("topology.kubernetes.io/zone"), a.spread("kubernetes.io/hostname")},
	}
	containers := corev1.ContainerArray{a.server()}
	if a.Rest != nil {
		containers = append(containers, a.Rest.server())
		if a.Rest.KeysURL != "" {
			pod.InitContainers = corev1.ContainerArray{a.Rest.keys(kube.ContainerFirstKeys, "--once")}
			pod.Volumes = corev1.VolumeArray{&corev1.VolumeArgs{
				Name: pulumi.String(keysVolume), EmptyDir: &corev1.EmptyDirVolumeSourceArgs{SizeLimit: pulumi.String("1Mi")},
			}}
			containers = append(containers, a.Rest.keys(kube.ContainerKeys))
		}
	}
	pod.Containers = containers
	return pod
}

// spread keeps the pods apart where the cluster has room for it.
func (a *Args) spread(key string) corev1.TopologySpreadConstraintArgs {
	return corev1.TopologySpreadConstraintArgs{
		MaxSkew: pulumi.Int(1), TopologyKey: pulumi.String(key), WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
		LabelSelector: &metav1.LabelSelectorArgs{MatchLabels: a.App.Selector(kube.RoleServer)},
	}
}

// server is the application's own container.
func (a *Args) server() *corev1.ContainerArgs {
	health := func(period, failures int) *corev1.ProbeArgs {
		return probe(a.HealthPath, a.Port, period, failures)
	}
	return &corev1.ContainerArgs{
		Name: pulumi.String(a.App.Name), Image: pulumi.String(a.Image), ImagePullPolicy: pulumi.String("IfNotPresent"),
		Ports: corev1.ContainerPortArray{&corev1.ContainerPortArgs{
			Name: pulumi.String("http"), ContainerPort: pulumi.Int(a.Port),
		}},
		EnvFrom:         kube.EnvFrom(a.Settings),
		Resources:       kube.Resources(a.CPU, a.Memory, a.Memory),
		SecurityContext: kube.ContainerSecurity(),
		StartupProbe:    health(startPeriod, startFailures), ReadinessProbe: health(readyPeriod, readyFailures),
		LivenessProbe: health(livePeriod, liveFailures),
		Lifecycle:     drained(),
		// The last words of a container that fails are in its status.
		TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
	}
}

func probe(path string, port, period, failures int) *corev1.ProbeArgs {
	return &corev1.ProbeArgs{
		HttpGet:       &corev1.HTTPGetActionArgs{Path: pulumi.String(path), Port: pulumi.Int(port)},
		PeriodSeconds: pulumi.Int(period), FailureThreshold: pulumi.Int(failures), TimeoutSeconds: pulumi.Int(probeTimeout),
	}
}

func drained() *corev1.LifecycleArgs {
	return &corev1.LifecycleArgs{PreStop: &corev1.LifecycleHandlerArgs{Sleep: &corev1.SleepActionArgs{Seconds: pulumi.Int(drain)}}}
}
