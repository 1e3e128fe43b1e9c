package kubeapi

import (
	"fmt"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Never is for a reason that may pass at any time.
const Never = time.Duration(-1)

// Verdict is what an object says of itself.
type Verdict struct {
	Ready bool
	// waits is what it lacks.
	Waits string
	// after is how long that has to last until it is taken to be final; never, for what may still come.
	After time.Duration
	// class tells whether it is the same again where the text is not.
	Class string
}

// IsReady is the verdict on what works.
func IsReady() Verdict { return Verdict{Ready: true} }

// Waiting is the verdict on what may still come.
func Waiting(format string, args ...any) Verdict {
	return Verdict{Waits: fmt.Sprintf(format, args...), After: Never}
}

func hopeless(after time.Duration, format string, args ...any) Verdict {
	return Verdict{Waits: fmt.Sprintf(format, args...), After: after}
}

// UsualTime is how long the official plugin waits for a kind.
// Source: pulumi-kubernetes, provider/pkg/await/awaiters.go.
func UsualTime(gvk schema.GroupVersionKind) time.Duration {
	switch gvk.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "Pod", "Service", "Ingress", "Job":
		return 10 * time.Minute
	case "ResourceQuota", "Secret", "CustomResourceDefinition":
		return time.Minute
	default:
		return 5 * time.Minute
	}
}

// Awaited are the kinds of Kubernetes' own that are not ready as soon as they are there, and how they tell.
// Source: pulumi-kubernetes, provider/pkg/await; CustomResourceDefinitions are waited for here, so that the objects of
// the new kind need no second try.
func Awaited(gvk schema.GroupVersionKind) func(map[string]any) Verdict {
	switch gvk.GroupVersion().String() + " " + gvk.Kind {
	case "apps/v1 Deployment":
		return deployment
	case "apps/v1 StatefulSet":
		return statefulSet
	case "apps/v1 DaemonSet":
		return daemonSet
	case "batch/v1 Job":
		return finished
	case "v1 Pod":
		return podReady
	case "v1 Service":
		return service
	case "networking.k8s.io/v1 Ingress":
		return ingress
	case "v1 PersistentVolumeClaim":
		return claim
	case "v1 ResourceQuota":
		return resourceQuota
	case "v1 Secret":
		return tokenSecret
	case "apiextensions.k8s.io/v1 CustomResourceDefinition":
		return definition
	}
	return nil
}

// Unseen says that the controller has not looked at the newest version of an object.
func Unseen(o map[string]any) bool {
	return Number(o, "status", "observedGeneration") < Number(o, "metadata", "generation")
}

// Replicas is how many there should be; an absent number means one.
func Replicas(o map[string]any) int64 {
	if Field(o, "spec", "replicas") == nil {
		return 1
	}
	return Number(o, "spec", "replicas")
}

func deployment(o map[string]any) Verdict {
	want, updated, available := Replicas(o), Number(o, "status", "updatedReplicas"), Number(o, "status", "availableReplicas")
	progressing, failure := Condition(o, "Progressing"), Condition(o, "ReplicaFailure")
	switch {
	case Unseen(o):
		return Waiting("its controller has not seen it yet")
	case Field(o, "spec", "paused") == true:
		return IsReady()
	case progressing["reason"] == "ProgressDeadlineExceeded":
		return hopeless(0, "the rollout made no progress for %d s", max(Number(o, "spec", "progressDeadlineSeconds"), 1))
	case IsTrue(failure):
		v := hopeless(5*time.Second, "its pods cannot be made: %s", failure["message"])
		v.Class = "make" // the text names another pod each time
		return v
	case updated < want:
		return Waiting("%d of %d replicas are new", updated, want)
	case available < want:
		return Waiting("%d of %d replicas are available", available, want)
	case want > 0 && progressing != nil && progressing["reason"] != "NewReplicaSetAvailable":
		return Waiting("the new replicas are not available yet")
	}
	return IsReady()
}

func statefulSet(o map[string]any) Verdict {
	want := Replicas(o)
	updated, ready := Number(o, "status", "updatedReplicas"), Number(o, "status", "readyReplicas")
	partition := Number(o, "spec", "updateStrategy", "rollingUpdate", "partition")
	switch {
	case Unseen(o):
		return Waiting("its controller has not seen it yet")
	case Text(o, "spec", "updateStrategy", "type") == "OnDelete":
		return IsReady()
	case updated < want-partition:
		return Waiting("%d of %d replicas are new", updated, want-partition)
	case ready < want:
		return Waiting("%d of %d replicas are ready", ready, want)
	case partition == 0 && Text(o, "status", "currentRevision") != Text(o, "status", "updateRevision"):
		return Waiting("the rollout of the new revision is not complete")
	}
	return IsReady()
}

func daemonSet(o map[string]any) Verdict {
	want := Number(o, "status", "desiredNumberScheduled")
	updated, available := Number(o, "status", "updatedNumberScheduled"), Number(o, "status", "numberAvailable")
	switch {
	case Unseen(o):
		return Waiting("its controller has not seen it yet")
	case Text(o, "spec", "updateStrategy", "type") == "OnDelete":
		return IsReady()
	case updated < want:
		return Waiting("%d of %d pods are new", updated, want)
	case available < want:
		return Waiting("%d of %d pods are available", available, want)
	}
	return IsReady()
}

func finished(o map[string]any) Verdict {
	failed := Condition(o, "Failed")
	if target := Condition(o, "FailureTarget"); failed == nil && IsTrue(target) {
		failed = target
	}
	switch {
	case IsTrue(Condition(o, "Complete")), Field(o, "spec", "suspend") == true:
		return IsReady()
	case IsTrue(failed):
		return hopeless(0, "it failed (%s): %s", failed["reason"], failed["message"])
	}
	return Waiting("it has not finished: %d running, %d succeeded, %d failed",
		Number(o, "status", "active"), Number(o, "status", "succeeded"), Number(o, "status", "failed"))
}

func podReady(o map[string]any) Verdict {
	switch phase := Text(o, "status", "phase"); {
	case phase == "Succeeded", IsTrue(Condition(o, "Ready")):
		return IsReady()
	case phase == "Failed":
		return hopeless(0, "%s", PodFinding(o).orElse("it failed"))
	}
	f := PodFinding(o)
	if f.Text == "" {
		return Waiting("it is not ready yet")
	}
	return Verdict{Waits: f.Text, After: f.After, Class: f.Class}
}

// service is ready when it has what it needs itself; whether anything answers behind it is looked up by the job.
func service(o map[string]any) Verdict {
	if Text(o, "spec", "type") == "LoadBalancer" && len(Items(o, "status", "loadBalancer", "ingress")) == 0 {
		return Waiting("it has no address: does the cluster have a load balancer?")
	}
	return IsReady()
}

// PointsAtPods says that a service is of no use without pods behind it.
// Source: pulumi-kubernetes, provider/pkg/await/service.go, shouldWaitForPods.
func PointsAtPods(o map[string]any) bool {
	selector, _ := Field(o, "spec", "selector").(map[string]any)
	return len(selector) > 0 && Text(o, "spec", "type") != "ExternalName" && Text(o, "spec", "clusterIP") != "None"
}

func ingress(o map[string]any) Verdict {
	if len(Items(o, "status", "loadBalancer", "ingress")) > 0 {
		return IsReady()
	}
	class := Text(o, "spec", "ingressClassName")
	if class == "" {
		return Waiting("no ingress controller has given it an address, and it names no class")
	}
	return Waiting("the ingress controller of class %s has given it no address: does it run?", class)
}

func claim(o map[string]any) Verdict {
	switch Text(o, "status", "phase") {
	case "Bound":
		return IsReady()
	case "Lost":
		return hopeless(0, "its volume is lost")
	}
	return Waiting("no volume is bound to it (class %q)", Text(o, "spec", "storageClassName"))
}

func resourceQuota(o map[string]any) Verdict {
	if reflect.DeepEqual(Field(o, "spec", "hard"), Field(o, "status", "hard")) {
		return IsReady()
	}
	return Waiting("it is not in force yet")
}

func tokenSecret(o map[string]any) Verdict {
	data, _ := o["data"].(map[string]any)
	if Text(o, "type") != "kubernetes.io/service-account-token" || len(data) > 0 {
		return IsReady()
	}
	return Waiting("the token of service account %q is not there: does the account exist?",
		Annotation(o, "kubernetes.io/service-account.name"))
}

func definition(o map[string]any) Verdict {
	names := Condition(o, "NamesAccepted")
	switch {
	case IsTrue(Condition(o, "Established")):
		return IsReady()
	case names["status"] == "False":
		return hopeless(2*time.Second, "its names are taken: %s", names["message"])
	}
	return Waiting("the API server does not serve it yet")
}
