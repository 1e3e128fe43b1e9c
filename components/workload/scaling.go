package workload

import (
	"fmt"

	autoscalingv2 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/autoscaling/v2"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/kube"
)

// addScaling makes the autoscaler, where there is something to scale.
func (a *Args) addScaling(ctx *pulumi.Context, name string, deployment pulumi.StringInput, parent pulumi.ResourceOption) error {
	if !a.scales() {
		return nil
	}
	_, err := autoscalingv2.NewHorizontalPodAutoscaler(ctx, name, &autoscalingv2.HorizontalPodAutoscalerArgs{
		Metadata: a.App.Object(a.App.Name),
		Spec: &autoscalingv2.HorizontalPodAutoscalerSpecArgs{
			ScaleTargetRef: &autoscalingv2.CrossVersionObjectReferenceArgs{
				ApiVersion: pulumi.String("apps/v1"), Kind: pulumi.String("Deployment"), Name: deployment,
			},
			MinReplicas: pulumi.Int(a.Replicas), MaxReplicas: pulumi.Int(a.MaxReplicas),
			// The application's container alone: PostgREST's use says nothing about it.
			Metrics: autoscalingv2.MetricSpecArray{&autoscalingv2.MetricSpecArgs{
				Type: pulumi.String("ContainerResource"),
				ContainerResource: &autoscalingv2.ContainerResourceMetricSourceArgs{
					Container: pulumi.String(a.App.Name), Name: pulumi.String("cpu"),
					Target: &autoscalingv2.MetricTargetArgs{
						Type: pulumi.String("Utilization"), AverageUtilization: pulumi.Int(a.TargetCPU),
					},
				},
			}},
		},
	}, parent)
	if err != nil {
		return fmt.Errorf("autoscaler: %w", err)
	}
	return nil
}

// addBudget lets nodes be emptied one pod after the other. A budget of one minAvailable would block a node for ever when
// there is one pod.
func (a *Args) addBudget(ctx *pulumi.Context, name string, parent pulumi.ResourceOption) error {
	_, err := policyv1.NewPodDisruptionBudget(ctx, name, &policyv1.PodDisruptionBudgetArgs{
		Metadata: a.App.Object(a.App.Name),
		Spec: &policyv1.PodDisruptionBudgetSpecArgs{
			MaxUnavailable: pulumi.Int(1),
			Selector:       &metav1.LabelSelectorArgs{MatchLabels: a.App.Selector(kube.RoleServer)},
		},
	}, parent)
	if err != nil {
		return fmt.Errorf("disruption budget: %w", err)
	}
	return nil
}
