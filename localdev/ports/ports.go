// Package ports chooses the local ports. All are on 127.0.0.1. A port that something else holds is replaced by a free
// one, which then stays the same.
package ports

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"plattr.dev/plattr/localdev/state"
)

// Host is the only address on which services listen.
const Host = "127.0.0.1"

// Use is what a port is for.
type Use string

// The uses of ports; those per application are followed by /NAME.
const (
	PostgreSQL     Use = "postgresql"
	S3             Use = "s3"
	S3Console      Use = "s3-console"
	S3IAM          Use = "s3-iam"
	PostgREST      Use = "postgrest"
	PostgRESTAdmin Use = "postgrest-admin"
	Keycloak       Use = "keycloak"
	Redis          Use = "redis"
	OpenSearch     Use = "opensearch"
	// OpenSearchNodes is where nodes would reach each other; there is only one.
	OpenSearchNodes Use = "opensearch-nodes"
	// Those that only a cluster has.
	Dashboards    Use = "dashboards"
	Ingress       Use = "ingress"
	Registry      Use = "registry"
	KubernetesAPI Use = "kubernetes"
)

// Range is the ports that a use likes best, both ends included.
type Range struct{ First, Last int }

// Preferred returns the table of preferred ports. The uses with a range of twenty are per application.
func Preferred() map[Use]Range {
	return map[Use]Range{
		PostgreSQL:     {5432, 5432},
		S3:             {9000, 9000},
		S3Console:      {9001, 9001},
		S3IAM:          {9002, 9002},
		PostgREST:      {3001, 3020},
		PostgRESTAdmin: {3101, 3120},
		Keycloak:       {8080, 8080},
		Redis:          {6379, 6398},
		OpenSearch:     {9200, 9200},

		OpenSearchNodes: {9300, 9300},

		Dashboards:    {5601, 5601},
		Ingress:       {8088, 8088},
		Registry:      {5050, 5050},
		KubernetesAPI: {6443, 6443},
	}
}

// beyond is how many ports after the preferred ones are tried before any free one is taken, so that people find
// 5433 where 5432 is taken.
const beyond = 20

const file = "ports.json"

// Book is the ports that this machine has chosen, by use, and for uses per application by use/app.
type Book map[string]int

// Load reads the book.
func Load(d state.Dir) (Book, error) {
	b := Book{}
	err := d.ReadJSON(file, &b)
	return b, err
}

// Save writes the book; the caller holds the state's lock.
func (b Book) Save(d state.Dir) error { return d.WriteJSON(file, b) }

// Key is the name under which a port is kept.
func Key(use Use, app string) string {
	if app == "" {
		return string(use)
	}
	return string(use) + "/" + app
}

// Choose returns the port for a service that does not run, and notes it: the one that it had if it is still free, else
// the first free one of the preferred range, of those behind it, or any.
func (b Book) Choose(use Use, app string) (int, error) {
	key := Key(use, app)
	if p, ok := b[key]; ok && Free(p) {
		return p, nil
	}
	taken := b.others(key)
	r := Preferred()[use]
	for p := r.First; p <= r.Last+beyond && r.First > 0; p++ {
		if !slices.Contains(taken, p) && Free(p) {
			b[key] = p
			return p, nil
		}
	}
	for range 100 {
		p, err := anyFree()
		if err != nil {
			return 0, fmt.Errorf("find a free port for %s: %w", use, err)
		}
		if !slices.Contains(taken, p) {
			b[key] = p
			return p, nil
		}
	}
	return 0, fmt.Errorf("find a free port for %s: all that the system offers are taken", use)
}

// others returns every port that belongs to another use: chosen before, or preferred by it.
func (b Book) others(key string) []int {
	var taken []int
	for k, p := range b {
		if k != key {
			taken = append(taken, p)
		}
	}
	for use, r := range Preferred() {
		if r.First == r.Last && string(use) != key {
			taken = append(taken, r.First)
		}
	}
	return taken
}

// Free tells whether nothing listens on the port. Asking for it is not enough everywhere: on macOS one may listen on
// 127.0.0.1 although another process listens on all addresses.
func Free(port int) bool {
	address := net.JoinHostPort(Host, strconv.Itoa(port))
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	_ = l.Close()
	conn, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
	if err != nil {
		return true
	}
	_ = conn.Close()
	return false
}

func anyFree() (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(Host, "0"))
	if err != nil {
		return 0, fmt.Errorf("listen: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
