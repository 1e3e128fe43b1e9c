// Command pause is the entry point of every image of the node: it holds the namespaces of a pod and reaps its zombies, or,
// called with arguments, which only kubeadm's CoreDNS does without naming a command, it is CoreDNS. A program of its own,
// because every pod runs one: a megabyte instead of the forty of the program that is everything else.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) > 1 {
		err := syscall.Exec("/usr/local/bin/coredns", append([]string{"coredns"}, os.Args[1:]...), os.Environ())
		fmt.Fprintln(os.Stderr, "pause: coredns:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

func reap() {
	for {
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}
