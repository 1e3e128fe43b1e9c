package testutil

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Servers are those of an environment: they run as pods in the namespace services, and are reached at the node, by plattr
// and by the pods of applications alike. There is a namespace staging, which takes restricted pods only.
type Servers struct {
	// Node is its address. PostgreSQL listens at 30432, S3 at 30900 (IAM 30902), Keycloak at 30880.
	Node string
}

// What the servers know. The database is shared by the applications; its administrator is no superuser.
const (
	ServersDatabase      = "apps"
	ServersAdmin         = "plattr_admin"
	ServersAdminPassword = "admin-secret"
	ServersSuperuser     = "super-secret" // of postgres
	ServersS3User        = "root"
	ServersS3Secret      = "root-secret-of-s3"
	ServersClient        = "plattr" // of Keycloak
	ServersClientSecret  = "keycloak-admin-secret"
)

const serversManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: services}
---
apiVersion: v1
kind: Namespace
metadata: {name: staging, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: services}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
        - name: postgres
          image: localhost:5055/postgres:17
          env: [{name: POSTGRES_PASSWORD, value: super-secret}]
          readinessProbe: {tcpSocket: {port: 5432}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: services}
spec: {type: NodePort, selector: {app: db}, ports: [{port: 5432, nodePort: 30432}]}
---
apiVersion: v1
kind: Secret
metadata: {name: s3, namespace: services}
stringData:
  s3.json: '{"dir": "/data", "address": "0.0.0.0:9000", "iamAddress": "0.0.0.0:9002", "accessKey": "root", "secretKey": "root-secret-of-s3"}'
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: s3, namespace: services}
spec:
  selector: {matchLabels: {app: s3}}
  template:
    metadata: {labels: {app: s3}}
    spec:
      securityContext: {fsGroup: 1000}
      containers:
        - name: s3
          image: localhost:5055/plattr:dev
          args: [serve-s3, /config/s3.json]
          readinessProbe: {tcpSocket: {port: 9000}, periodSeconds: 1}
          volumeMounts: [{name: data, mountPath: /data}, {name: config, mountPath: /config}]
      volumes: [{name: data, emptyDir: {}}, {name: config, secret: {secretName: s3}}]
---
apiVersion: v1
kind: Service
metadata: {name: s3, namespace: services}
spec:
  type: NodePort
  selector: {app: s3}
  ports: [{name: s3, port: 9000, nodePort: 30900}, {name: iam, port: 9002, nodePort: 30902}]
`

const keycloakManifest = `---
apiVersion: v1
kind: Secret
metadata: {name: keycloak, namespace: services}
stringData: {client: plattr, secret: keycloak-admin-secret}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: keycloak, namespace: services}
spec:
  selector: {matchLabels: {app: keycloak}}
  template:
    metadata: {labels: {app: keycloak}}
    spec:
      containers:
        - name: keycloak
          image: localhost:5055/keycloak:26
          args: [start-dev, --http-host=0.0.0.0, --http-port=8080, --cache=local, --health-enabled=false]
          env:
            - {name: KC_HOSTNAME, value: "http://NODE:30880"}
            - {name: KC_BOOTSTRAP_ADMIN_CLIENT_ID, valueFrom: {secretKeyRef: {name: keycloak, key: client}}}
            - {name: KC_BOOTSTRAP_ADMIN_CLIENT_SECRET, valueFrom: {secretKeyRef: {name: keycloak, key: secret}}}
            - {name: JAVA_OPTS_KC_HEAP, value: "-Xms128m -Xmx400m"}
          readinessProbe: {httpGet: {path: /realms/master, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: keycloak, namespace: services}
spec: {type: NodePort, selector: {app: keycloak}, ports: [{port: 8080, nodePort: 30880}]}
`

// Servers starts the servers of an environment, Keycloak only where it is wanted.
func (c *KindCluster) Servers(t testing.TB, keycloak bool) Servers {
	t.Helper()
	names := []string{"postgres", "plattr"}
	deployments := []string{"db", "s3"}
	manifest := serversManifest
	node := c.Admin.Kubectl(t, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	if keycloak {
		names, deployments = append(names, "keycloak"), append(deployments, "keycloak")
		manifest += strings.ReplaceAll(keycloakManifest, "NODE", node)
	}
	c.Images(t, names...)
	c.Admin.Apply(t, manifest)
	for _, d := range deployments {
		c.Admin.Kubectl(t, "rollout", "status", "-n", "services", "deployment/"+d, "--timeout=4m")
	}
	s := Servers{Node: node}
	s.prepareDatabase(t)
	return s
}

// SuperuserURL logs in to PostgreSQL as its superuser.
func (s Servers) SuperuserURL(database string) string {
	return fmt.Sprintf("postgres://postgres:%s@%s:30432/%s?sslmode=disable", ServersSuperuser, s.Node, database)
}

// prepareDatabase makes what the environment's owner makes once.
func (s Servers) prepareDatabase(t testing.TB) {
	t.Helper()
	var conn *pgx.Conn
	var err error
	for range 50 { // a NodePort answers a moment after the pod is ready
		if conn, err = pgx.Connect(t.Context(), s.SuperuserURL("postgres")); err == nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for _, statement := range []string{
		"create role " + ServersAdmin + " login createrole createdb password '" + ServersAdminPassword + "'",
		"create database " + ServersDatabase + " owner " + ServersAdmin,
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
