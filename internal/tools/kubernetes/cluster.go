package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/cli"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
	metricsserver "sigs.k8s.io/metrics-server/cmd/metrics-server/app"
)

// What a cluster needs besides Kubernetes, so that autoscalers scale and network policies refuse.

func metricsServer() int {
	return cli.Run(metricsserver.NewMetricsServerCommand(genericapiserver.SetupSignalHandler()))
}

// networkPolicies runs the controller of sigs.k8s.io/kube-network-policies: the kernel asks it about the first packet of
// every connection. The program of that module is a package main and cannot be linked; its flags for alpha APIs are left
// out.
func networkPolicies() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runNetworkPolicies(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kube-network-policies:", err)
		return 1
	}
	return 0
}

func runNetworkPolicies(ctx context.Context) error {
	flags := flag.NewFlagSet("kube-network-policies", flag.ExitOnError)
	klog.InitFlags(flags)
	node := flags.String("hostname-override", "", "name of the node")
	queue := flags.Int("nfqueue-id", 98, "number of the netfilter queue")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	all := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(client, all.Networking().V1().NetworkPolicies(),
		all.Core().V1().Namespaces(), all.Core().V1().Pods(), nil, nil, nil, nil,
		// Without NRI, version 0.8.0 dies of the first packet whose addresses are no pod's. Where the container runtime
		// has none, it only says so.
		networkpolicy.Config{NodeName: *node, QueueID: *queue, NetfilterBug1766Fix: true, NRIdisabled: false})
	if err != nil {
		return fmt.Errorf("make the controller: %w", err)
	}
	all.Start(ctx.Done())
	if err := controller.Run(ctx); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}
