package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"html"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"

	"plattr.dev/plattr/internal/testutil"
)

// guest is a browser without a screen, for which every host of staging is the cluster's ingress.
type guest struct {
	*app
	client *http.Client
}

func (a *app) guest() *guest {
	a.t.Helper()
	jar, err := cookiejar.New(nil)
	a.must(err)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasSuffix(address, ".staging.example.com:80") {
			address = a.cluster.Ingress
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	return &guest{a, &http.Client{Jar: jar, Transport: transport, Timeout: 20 * time.Second}}
}

var loginForm = regexp.MustCompile(`<form[^>]*id="kc-form-login"[^>]*action="([^"]+)"`)

// signIn signs in at the application's realm and returns the page that it leads to.
func (v *guest) signIn(user, password string) string {
	v.t.Helper()
	page := v.read(v.client.Get("http://" + v.name + ".staging.example.com/auth/sign-in"))
	form := loginForm.FindStringSubmatch(page)
	if form == nil {
		v.t.Fatalf("there is no login page: %.500s", page)
	}
	return v.read(v.client.PostForm(html.UnescapeString(form[1]), url.Values{"username": {user}, "password": {password}}))
}

func (v *guest) read(res *http.Response, err error) string {
	v.t.Helper()
	v.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	v.must(err)
	return string(body)
}

// keeps posts a note with a file: its row, its words and its file are on three servers, and counted on a fourth.
func (v *guest) keeps() {
	v.t.Helper()
	home := "http://" + v.name + ".staging.example.com"
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	v.must(errors.Join(form.WriteField("title", "Engines"), form.WriteField("body", "weave algebraical patterns")))
	part, err := form.CreateFormFile("file", "note-g.txt")
	v.must(err)
	_, err = part.Write([]byte("Bernoulli numbers"))
	v.must(errors.Join(err, form.Close()))
	page := v.read(v.client.Post(home+"/notes", form.FormDataContentType(), &body))
	file := regexp.MustCompile(`/notes/[A-Z0-9]+/file`).FindString(page)
	if !strings.Contains(page, "Engines") || file == "" || !strings.Contains(page, `<dd id="posts">1<`) {
		v.t.Fatalf("after a note was posted: %s", page)
	}
	if text := v.read(v.client.Get(home + file)); text != "Bernoulli numbers" {
		v.t.Errorf("the note's file: %.300s", text)
	}
	if page := v.read(v.client.Get(home + "/?q=algebraical")); !strings.Contains(page, "Engines") {
		v.t.Errorf("the search for its words: %s", page)
	}
}

// addUser makes a user of the application's realm, as a person would in Keycloak's console.
func (a *app) addUser(user, password string) {
	a.t.Helper()
	keycloak := "http://" + a.servers.Node + ":30880"
	res, err := http.PostForm(keycloak+"/realms/master/protocol/openid-connect/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {testutil.ServersClient}, "client_secret": {testutil.ServersClientSecret},
	})
	a.must(err)
	defer res.Body.Close()
	var token struct {
		Access string `json:"access_token"`
	}
	a.must(json.NewDecoder(res.Body).Decode(&token))
	raw, err := json.Marshal(map[string]any{
		"username": user, "enabled": true, "firstName": "Ada", "lastName": "L", "email": user + "@example.com", "emailVerified": true,
		"credentials": []any{map[string]any{"type": "password", "value": password}},
	})
	a.must(err)
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, keycloak+"/admin/realms/"+a.name+"-staging/users", bytes.NewReader(raw))
	a.must(err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token.Access)
	made, err := http.DefaultClient.Do(req)
	a.must(err)
	defer made.Body.Close()
	if made.StatusCode != http.StatusCreated {
		why, _ := io.ReadAll(made.Body)
		a.t.Fatalf("make a user: %s: %s", made.Status, why)
	}
}

// board is the application that uses everything: sign-in, REST with a token, files, its own Redis and OpenSearch.
func (a *app) board() {
	a.deploy(testutil.Registry + "/board:dev")
	a.serves("/", "Sign in")
	const password = "Lovelace-1815-Byron" //nolint:gosec // of a user of this test
	a.addUser("ada", password)
	ada := a.guest()
	if page := ada.signIn("ada", password); !strings.Contains(page, "Sign out") {
		a.t.Errorf("after the sign-in: %.500s", page)
	}
	ada.keeps()
	if status, text := a.ask("/api/rest/note", nil); status != http.StatusUnauthorized {
		a.t.Errorf("REST without a token: %d %s", status, text)
	}
	a.looksAtServers()
	if again := a.deploy(testutil.Registry + "/board:dev"); again.changed() != 0 {
		a.t.Errorf("the same again: %+v", again)
	}
	a.run("undeploy", "--env", "staging", "--data", "--yes")
	a.nothingLeft()
}

// nothingLeft holds that no object in the cluster is the application's.
func (a *app) nothingLeft() {
	a.t.Helper()
	kinds := "all,secrets,configmaps,ingresses,networkpolicies,hpa,pdb,serviceaccounts,pvc"
	if left := a.kubectl("get", kinds, "-l", "app.kubernetes.io/name="+a.name, "-o", "name"); strings.TrimSpace(left) != "" {
		a.t.Errorf("left in the namespace: %s", left)
	}
}

// configured are variables that people set: rolled out, masked, and taken back.
func (a *app) configured() {
	a.run("env", "set", "GREETING=Sign here, please.", "--env", "staging")
	a.serves("/", "Sign here, please.")
	if list := a.run("env", "list", "--env", "staging").out; !strings.Contains(list, "env set") || strings.Contains(list, "Sign here") {
		a.t.Errorf("env list: %s", list)
	}
	a.run("env", "unset", "GREETING", "--env", "staging")
	a.serves("/", "Please sign the book")
	a.fails("was not set there", "env", "unset", "GREETING", "--env", "staging")
	if status := a.run("db", "migrate", "--status", "--env", "staging").out; !strings.Contains(status, "missing") {
		a.t.Errorf("db migrate --status: %s", status)
	}
}

// policies hold that pods with the application's labels reach its database, and nothing else in the cluster.
func (a *app) policies() {
	a.cluster.Admin.Apply(a.t, `
apiVersion: v1
kind: Pod
metadata: {name: impostor, namespace: staging, labels: {app.kubernetes.io/name: guestbook, plattr.dev/role: server}}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 999, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: shell
      image: localhost:5055/postgres:17
      command: [sleep, "600"]
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      readinessProbe: {exec: {command: [/bin/false]}, periodSeconds: 60} # it must get no requests of the application's
`)
	reach := func(where string) error {
		_, err := a.cluster.Admin.TryKubectl(a.t, "exec", "-n", "staging", "impostor", "--", "timeout", "3", "bash", "-c", "exec 3<>/dev/tcp/"+where)
		return err
	}
	testutil.Eventually(a.t, time.Minute, "a pod of the application reaches the database", func() error { return reach("db.services/5432") })
	// Not the API server: pods may always talk to their own node. What enforces policies knows a pod a moment after it started.
	ip := a.cluster.Admin.Kubectl(a.t, "get", "pods", "-n", "ingress", "-o", "jsonpath={.items[0].status.podIP}")
	testutil.Eventually(a.t, 30*time.Second, "a pod of the application is kept from another namespace", func() error {
		const timedOut = "exit code 143" // killed while it waited for an answer
		switch err := reach(ip + "/8000"); {
		case err == nil:
			return errors.New("it reaches the ingress controller")
		case !strings.Contains(err.Error(), timedOut):
			return err
		}
		return nil
	})
	a.kubectl("delete", "pod", "impostor", "--grace-period=0", "--force")
}

// scales holds that load makes more pods.
func (a *app) scales() {
	ctx, stop := context.WithCancel(a.t.Context())
	defer stop()
	for range 4 {
		go func() {
			for ctx.Err() == nil {
				a.load(ctx)
			}
		}()
	}
	testutil.Eventually(a.t, 3*time.Minute, "the autoscaler makes a second pod", func() error {
		time.Sleep(2 * time.Second)
		out := a.kubectl("get", "deployment", a.name, "-o", "jsonpath={.status.replicas}")
		if out != "2" {
			return errors.New("replicas: " + out)
		}
		return nil
	})
}

// load asks for a page, whatever comes of it.
func (a *app) load(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.cluster.Ingress+"/", http.NoBody)
	if err != nil {
		return
	}
	req.Host = a.name + ".staging.example.com"
	if res, err := http.DefaultClient.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}
