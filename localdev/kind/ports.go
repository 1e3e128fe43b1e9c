package kind

import (
	"fmt"

	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/state"
)

// Slots is how many applications can have a PostgREST, and how many a Redis: their ports are mapped when the cluster is made.
const Slots = 20

// mapping is a port of the node, and what it is for.
type mapping struct {
	use  ports.Use
	slot int // of those that are per application, from 1; 0: one for all
	node int
}

// key is the name under which the port of this machine is kept.
func (m mapping) key() string { return ports.Key(m.use, m.slotName()) }

func (m mapping) slotName() string {
	if m.slot == 0 {
		return ""
	}
	return fmt.Sprintf("%02d", m.slot)
}

// The node's ports: NodePorts of Services, but for the ingress controller's, which is on the node itself.
const (
	ingressPort   = 80
	postgrestPort = 30300 // of slot 0, which there is not
	redisPort     = 30400
)

// NodePort is the port of the node that is mapped for a use; slot is 0 where there is one for all.
func NodePort(use ports.Use, slot int) int {
	switch use {
	case ports.PostgREST:
		return postgrestPort + slot
	case ports.Redis:
		return redisPort + slot
	}
	return map[ports.Use]int{
		ports.PostgreSQL: 30432, ports.S3: 30900, ports.S3Console: 30901, ports.S3IAM: 30902, ports.Keycloak: 30880,
		ports.OpenSearch: 30920, ports.Dashboards: 30561, ports.Ingress: ingressPort,
	}[use]
}

// mappings are all that a cluster gets.
func mappings() []mapping {
	var all []mapping
	for _, use := range []ports.Use{
		ports.PostgreSQL, ports.S3, ports.S3Console, ports.S3IAM, ports.Keycloak, ports.OpenSearch, ports.Dashboards, ports.Ingress,
	} {
		all = append(all, mapping{use, 0, NodePort(use, 0)})
	}
	for slot := range Slots {
		for _, use := range []ports.Use{ports.PostgREST, ports.Redis} {
			all = append(all, mapping{use, slot + 1, NodePort(use, slot+1)})
		}
	}
	return all
}

// PortKeys are the names under which the ports of this machine are kept, in the order of the cluster's.
func PortKeys() []string {
	keys := []string{string(ports.KubernetesAPI), string(ports.Registry)}
	for _, m := range mappings() {
		keys = append(keys, m.key())
	}
	return keys
}

// choosePorts gives a cluster that is about to be made its ports: those that the last one had, if they are free, else the
// next ones. The registry keeps its own: it may be running.
func choosePorts(d state.Dir) (ports.Book, error) {
	book, err := ports.Load(d)
	if err != nil {
		return nil, err
	}
	if _, err := book.Choose(ports.KubernetesAPI, ""); err != nil {
		return nil, err
	}
	for _, m := range mappings() {
		if _, err := book.Choose(m.use, m.slotName()); err != nil {
			return nil, err
		}
	}
	return book, book.Save(d)
}

// taken are the ports of a stopped cluster that something else has meanwhile.
func taken(ps map[string]int) []int {
	var busy []int
	for _, p := range ps {
		if !ports.Free(p) {
			busy = append(busy, p)
		}
	}
	return busy
}
