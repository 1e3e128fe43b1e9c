package kubernetes

import (
	"fmt"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// never is for a reason that may pass at any time.
const never = time.Duration(-1)

// verdict is what an object says of itself.
type verdict struct {
	ready bool
	// waits is what it lacks.
	waits string
	// after is how long that has to last until it is taken to be final; never, for what may still come.
	after time.Duration
	// class tells whether it is the same again where the text is not.
	class string
}

func isReady() verdict { return verdict{ready: true} }

func waiting(format string, args ...any) verdict {
	return verdict{waits: fmt.Sprintf(format, args...), after: never}
}

func hopeless(after time.Duration, format string, args ...any) verdict {
	return verdict{waits: fmt.Sprintf(format, args...), after: after}
}

// usualTime is how long the official plugin waits for a kind.
// Source: pulumi-kubernetes, provider/pkg/await/awaiters.go.
func usualTime(gvk schema.GroupVersionKind) time.Duration {
	switch gvk.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "Pod", "Service", "Ingress", "Job":
		return 10 * time.Minute
	case "ResourceQuota", "Secret", "CustomResourceDefinition":
		return time.Minute
	default:
		return 5 * time.Minute
	}
}

// awaited are the kinds of Kubernetes' own that are not ready as soon as they are there, and how they tell.
// Source: pulumi-kubernetes, provider/pkg/await; CustomResourceDefinitions are waited for here, so that the objects of
// the new kind need no second try.
func awaited(gvk schema.GroupVersionKind) func(map[string]any) verdict {
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

// unseen says that the controller has not looked at the newest version of an object.
func unseen(o map[string]any) bool {
	return number(o, "status", "observedGeneration") < number(o, "metadata", "generation")
}

// replicas is how many there should be; an absent number means one.
func replicas(o map[string]any) int64 {
	if field(o, "spec", "replicas") == nil {
		return 1
	}
	return number(o, "spec", "replicas")
}

func deployment(o map[string]any) verdict {
	want, updated, available := replicas(o), number(o, "status", "updatedReplicas"), number(o, "status", "availableReplicas")
	progressing, failure := condition(o, "Progressing"), condition(o, "ReplicaFailure")
	switch {
	case unseen(o):
		return waiting("its controller has not seen it yet")
	case field(o, "spec", "paused") == true:
		return isReady()
	case progressing["reason"] == "ProgressDeadlineExceeded":
		return hopeless(0, "the rollout made no progress for %d s", max(number(o, "spec", "progressDeadlineSeconds"), 1))
	case isTrue(failure):
		v := hopeless(5*time.Second, "its pods cannot be made: %s", failure["message"])
		v.class = "make" // the text names another pod each time
		return v
	case updated < want:
		return waiting("%d of %d replicas are new", updated, want)
	case available < want:
		return waiting("%d of %d replicas are available", available, want)
	case want > 0 && progressing != nil && progressing["reason"] != "NewReplicaSetAvailable":
		return waiting("the new replicas are not available yet")
	}
	return isReady()
}

func statefulSet(o map[string]any) verdict {
	want := replicas(o)
	updated, ready := number(o, "status", "updatedReplicas"), number(o, "status", "readyReplicas")
	partition := number(o, "spec", "updateStrategy", "rollingUpdate", "partition")
	switch {
	case unseen(o):
		return waiting("its controller has not seen it yet")
	case text(o, "spec", "updateStrategy", "type") == "OnDelete":
		return isReady()
	case updated < want-partition:
		return waiting("%d of %d replicas are new", updated, want-partition)
	case ready < want:
		return waiting("%d of %d replicas are ready", ready, want)
	case partition == 0 && text(o, "status", "currentRevision") != text(o, "status", "updateRevision"):
		return waiting("the rollout of the new revision is not complete")
	}
	return isReady()
}

func daemonSet(o map[string]any) verdict {
	want := number(o, "status", "desiredNumberScheduled")
	updated, available := number(o, "status", "updatedNumberScheduled"), number(o, "status", "numberAvailable")
	switch {
	case unseen(o):
		return waiting("its controller has not seen it yet")
	case text(o, "spec", "updateStrategy", "type") == "OnDelete":
		return isReady()
	case updated < want:
		return waiting("%d of %d pods are new", updated, want)
	case available < want:
		return waiting("%d of %d pods are available", available, want)
	}
	return isReady()
}

func finished(o map[string]any) verdict {
	failed := condition(o, "Failed")
	if target := condition(o, "FailureTarget"); failed == nil && isTrue(target) {
		failed = target
	}
	switch {
	case isTrue(condition(o, "Complete")), field(o, "spec", "suspend") == true:
		return isReady()
	case isTrue(failed):
		return hopeless(0, "it failed (%s): %s", failed["reason"], failed["message"])
	}
	return waiting("it has not finished: %d running, %d succeeded, %d failed",
		number(o, "status", "active"), number(o, "status", "succeeded"), number(o, "status", "failed"))
}

func podReady(o map[string]any) verdict {
	switch phase := text(o, "status", "phase"); {
	case phase == "Succeeded", isTrue(condition(o, "Ready")):
		return isReady()
	case phase == "Failed":
		return hopeless(0, "%s", podFinding(o).orElse("it failed"))
	}
	f := podFinding(o)
	if f.text == "" {
		return waiting("it is not ready yet")
	}
	return verdict{waits: f.text, after: f.after, class: f.class}
}

// service is ready when it has what it needs itself; whether anything answers behind it is looked up by the job.
func service(o map[string]any) verdict {
	if text(o, "spec", "type") == "LoadBalancer" && len(items(o, "status", "loadBalancer", "ingress")) == 0 {
		return waiting("it has no address: does the cluster have a load balancer?")
	}
	return isReady()
}

// pointsAtPods says that a service is of no use without pods behind it.
// Source: pulumi-kubernetes, provider/pkg/await/service.go, shouldWaitForPods.
func pointsAtPods(o map[string]any) bool {
	selector, _ := field(o, "spec", "selector").(map[string]any)
	return len(selector) > 0 && text(o, "spec", "type") != "ExternalName" && text(o, "spec", "clusterIP") != "None"
}

func ingress(o map[string]any) verdict {
	if len(items(o, "status", "loadBalancer", "ingress")) > 0 {
		return isReady()
	}
	class := text(o, "spec", "ingressClassName")
	if class == "" {
		return waiting("no ingress controller has given it an address, and it names no class")
	}
	return waiting("the ingress controller of class %s has given it no address: does it run?", class)
}

func claim(o map[string]any) verdict {
	switch text(o, "status", "phase") {
	case "Bound":
		return isReady()
	case "Lost":
		return hopeless(0, "its volume is lost")
	}
	return waiting("no volume is bound to it (class %q)", text(o, "spec", "storageClassName"))
}

func resourceQuota(o map[string]any) verdict {
	if reflect.DeepEqual(field(o, "spec", "hard"), field(o, "status", "hard")) {
		return isReady()
	}
	return waiting("it is not in force yet")
}

func tokenSecret(o map[string]any) verdict {
	data, _ := o["data"].(map[string]any)
	if text(o, "type") != "kubernetes.io/service-account-token" || len(data) > 0 {
		return isReady()
	}
	return waiting("the token of service account %q is not there: does the account exist?",
		annotation(o, "kubernetes.io/service-account.name"))
}

func definition(o map[string]any) verdict {
	names := condition(o, "NamesAccepted")
	switch {
	case isTrue(condition(o, "Established")):
		return isReady()
	case names["status"] == "False":
		return hopeless(2*time.Second, "its names are taken: %s", names["message"])
	}
	return waiting("the API server does not serve it yet")
}
