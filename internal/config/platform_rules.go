package config

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
)

const (
	referencePattern = `^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|k8s:[a-z0-9.-]+/[a-z0-9.-]+#[A-Za-z0-9._-]+|awssm:[^#]+(#.+)?)$`
	referenceWords   = "where the secret is, never the secret: env:NAME, file:PATH, k8s:NAMESPACE/NAME#KEY or awssm:ARN#KEY"
	labelPattern     = `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`
	labelWords       = "lower-case letters, digits and `-`, at most 63 characters"
	addressPattern   = `^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`
	statePattern     = `^(file://.+|s3://.+|postgres(ql)?://.+|env:[A-Za-z_][A-Za-z0-9_]*|file:[^/].*|k8s:[a-z0-9.-]+/[a-z0-9.-]+#[A-Za-z0-9._-]+|awssm:[^#]+(#.+)?)$`
)

// platformRules are the rules of plattr.platform.yaml.
func platformRules() map[string]rule {
	all := map[string]rule{}
	for _, part := range []map[string]rule{
		platformTopRules(), platformServerRules(), platformAuthRules(), platformInstanceRules(), platformIngressRules(),
	} {
		maps.Copy(all, part)
	}
	return all
}

func reference(doc string) rule {
	return rule{doc: doc, pattern: referencePattern, words: referenceWords, hidden: true}
}

func address(doc string) rule {
	return rule{doc: doc, pattern: addressPattern, maxLength: 253, words: "a host name or an address"}
}

func platformTopRules() map[string]rule {
	return map[string]rule{
		"Platform.account": {doc: "The AWS account.", pattern: `^[0-9]{12}$`, number: true, words: "the twelve digits of an AWS account"},
		"Platform.region":  {doc: "The AWS region.", pattern: `^[a-z]{2}(-[a-z]+)+-[0-9]$`, words: "an AWS region such as eu-central-1"},
		"Platform.baseDomain": {
			doc: "The domain that applications are served under.", required: true, pattern: hostPattern, maxLength: 253,
			words: "a domain such as example.com, in lower case",
		},
		"Platform.hostedZone":           {doc: "The ID of the Route 53 zone of the base domain.", pattern: `^[A-Z0-9]+$`, words: "the ID of a Route 53 zone"},
		"Platform.githubOrganisation":   {doc: "The GitHub organisation whose workflows may deploy.", pattern: `^[A-Za-z0-9-]+$`, words: "the name of a GitHub organisation"},
		"Platform.environments":         {doc: "Where applications are deployed to.", required: true, keys: platformEnvironments(), keyNoun: "environment"},
		"PlatformEnvironment.cluster":   {doc: "The Kubernetes cluster; what kubectl uses if left out."},
		"PlatformEnvironment.namespace": {doc: "The namespace of the applications; the environment's name if left out.", pattern: labelPattern, words: labelWords},
		"PlatformEnvironment.database":  {doc: "The PostgreSQL of the environment."},
		"PlatformEnvironment.storage":   {doc: "The S3 of the environment."},
		"PlatformEnvironment.auth":      {doc: "The Keycloak of the environment."},
		"PlatformEnvironment.redis":     {doc: "Where applications have their Redis: `instance`, or a managed one."},
		"PlatformEnvironment.search":    {doc: "Where applications have their OpenSearch: `instance`, or a managed one."},
		"PlatformEnvironment.ingress":   {doc: "How the cluster's ingress controller is told of an application."},
		"PlatformEnvironment.services":  {doc: "What pods may talk to beside names and public addresses: where the servers above are."},
		"PlatformEnvironment.state":     {doc: "Where the state of the applications is kept: a URL, or a URL and a passphrase."},
		"PlatformEnvironment.owners":    {doc: "Whom to ask about the environment."},
		"PlatformEnvironment.owners[]":  {maxLength: maxPathLength},
		"PlatformEnvironment.images": {
			doc: "Images of what runs beside applications, where those of this version of plattr are not wanted.", keys: PlatformImages(), keyNoun: "image",
		},
		"PlatformCluster.kubeconfig": {doc: "The path of a kubeconfig. Relative to the file."},
		"PlatformCluster.context":    {doc: "A context of the kubeconfig; the current one if left out."},
		"PlatformState.url": {
			doc:     "file://PATH (or a path relative to the file, file://./PATH), s3://BUCKET/PREFIX or postgres://HOST/DATABASE; a URL with a password only as a reference.",
			pattern: statePattern, words: "a file://, s3:// or postgres:// URL, or where such a one is (env:NAME, k8s:NAMESPACE/NAME#KEY)",
			check: stateOK, hidden: true,
		},
		"PlatformState.passphrase": reference("What secrets in the state are encrypted with; PLATTR_STATE_PASSPHRASE if left out. A directory keeps a key of its own."),
	}
}

// PlatformImages are the names of the images that a platform may set.
func PlatformImages() []string { return []string{"plattr", "postgrest", "redis", "opensearch"} }

func stateOK(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return errors.New("is no URL")
	}
	if _, has := u.User.Password(); has {
		return errors.New("holds a password: keep the URL elsewhere and write env:NAME or k8s:NAMESPACE/NAME#KEY")
	}
	return nil
}

func platformServerRules() map[string]rule {
	return map[string]rule{
		"PlatformCredentials.user":     {doc: "The user, the client, or the ID of the access key."},
		"PlatformCredentials.password": reference("Its password or secret."),
		"PlatformCredentials.both":     reference("A secret that holds both as JSON, under username and password, as RDS keeps it."),
		"PlatformDatabase.host":        required(address("Where it listens, as plattr and the pods reach it.")),
		"PlatformDatabase.port":        {doc: "Its port, 5432 if left out.", min: 1, max: maxPort},
		"PlatformDatabase.name": {
			doc: "The database that the applications share.", required: true, pattern: `^[A-Za-z_][A-Za-z0-9_-]*$`, maxLength: 63,
			words: "the name of a database",
		},
		"PlatformDatabase.admin":         {doc: "Who has CREATEROLE and CREATEDB.", required: true},
		"PlatformDatabase.bootstrap":     {doc: "Who may create event triggers, where that is not done yet: a superuser, or the master user of RDS."},
		"PlatformDatabase.tls":           {doc: "libpq's sslmode; `verify-full` if left out.", enum: []string{"disable", "require", "verify-ca", "verify-full"}},
		"PlatformStorage.endpoint":       endpoint("The URL of S3; AWS itself if left out."),
		"PlatformStorage.iamEndpoint":    endpoint("The URL of IAM, for an endpoint of its own."),
		"PlatformStorage.publicEndpoint": endpoint("The URL that browsers use, if it is another one."),
		"PlatformStorage.region":         {doc: "The region; that of the platform, or us-east-1, if left out."},
		"PlatformStorage.prefix": {
			doc: "What the names of buckets begin with, `plattr` if left out: they are global on AWS.", pattern: `^[a-z0-9][a-z0-9-]*$`, maxLength: 20,
			words: "lower-case letters, digits and `-`, at most 20 characters",
		},
		"PlatformStorage.capabilities":   {doc: "What the endpoint can do beyond buckets, CORS and policies."},
		"PlatformStorage.capabilities[]": {enum: []string{"users", "ownershipControls", "publicAccessBlock", "encryption"}},
		"PlatformStorage.admin":          {doc: "Who manages it; the machine's own identity on AWS if left out."},
	}
}

func endpoint(doc string) rule {
	return rule{doc: doc, pattern: urlPattern, check: checkURL, words: "a URL such as https://s3.example.com"}
}

func required(r rule) rule {
	r.required = true
	return r
}

func platformAuthRules() map[string]rule {
	return map[string]rule{
		"PlatformAuth.url":         required(endpoint("Its URL, as browsers see it.")),
		"PlatformAuth.internalURL": endpoint("Its URL from where plattr and the pods are, if it is another one."),
		"PlatformAuth.admin":       {doc: "A client with a service account that manages realms, and its secret.", required: true},
		"PlatformAuth.providers": {
			doc: "Credentials of identity providers, by their names in plattr.yaml.", keyPattern: namePattern, keyWords: "the name of an identity provider",
		},
		"PlatformProvider.clientID":     required(reference("The client's ID.")),
		"PlatformProvider.clientSecret": required(reference("The client's secret.")),
	}
}

func platformInstanceRules() map[string]rule {
	modes := []string{ModeInstance, ModeManaged}
	return map[string]rule{
		"PlatformRedis.mode":   {doc: "`instance`: one in the cluster for each application; `managed`: the one at `host`.", enum: modes},
		"PlatformRedis.host":   address("Where the managed one listens."),
		"PlatformRedis.port":   {doc: "Its port, 6379 if left out.", min: 1, max: maxPort},
		"PlatformRedis.tls":    {doc: "Whether it wants TLS."},
		"PlatformRedis.admin":  {doc: "Who may make users there."},
		"PlatformSearch.mode":  {doc: "`instance`: one in the cluster for each application; `managed`: the one at `url`.", enum: modes},
		"PlatformSearch.url":   endpoint("The URL of the managed one."),
		"PlatformSearch.admin": {doc: "Who may make users there; left out where it asks nobody."},
	}
}

func platformIngressRules() map[string]rule {
	annotation := `^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`
	words := "the name of an annotation such as nginx.ingress.kubernetes.io/rewrite-target"
	return map[string]rule{
		"PlatformIngress.class": {doc: "The class of the Ingresses.", pattern: `^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`, maxLength: 253, words: "the name of an IngressClass"},
		"PlatformIngress.tls": {
			doc:     "The Secret with the certificate, `{app}` standing for the application's name; `external` where a load balancer has it; none if left out.",
			pattern: `^[a-z0-9{]([a-z0-9.{}-]*[a-z0-9}])?$`, maxLength: 253, words: "the name of a Secret such as {app}-tls, or external",
		},
		"PlatformIngress.annotations": {doc: "Annotations of every Ingress.", keyPattern: annotation, keyWords: words},
		"PlatformIngress.namespace":   {doc: "Where the controller's requests come from; the whole cluster if left out.", pattern: labelPattern, words: labelWords},
		"PlatformIngress.rewrite":     {doc: "How /api/rest is taken off the requests to the REST API."},
		"PlatformRewrite.traefik":     {doc: "By a Middleware of Traefik."},
		"PlatformRewrite.path":        {doc: "The path of the Ingress, where the annotations want groups in it; /api/rest if left out."},
		"PlatformRewrite.annotations": {doc: "By annotations of another class.", keyPattern: annotation, keyWords: words},
		"PlatformService.namespace":   {doc: "A namespace of the cluster.", pattern: labelPattern, words: labelWords},
		"PlatformService.cidr":        {doc: "A range of addresses.", check: cidrOK},
		"PlatformService.ports":       {doc: "The ports there.", required: true},
		"PlatformService.ports[]":     {min: 1, max: maxPort},
	}
}

func cidrOK(s string) error {
	if _, err := netip.ParsePrefix(s); err != nil {
		return errors.New("is no range of addresses such as 10.0.0.0/16")
	}
	return nil
}

// checkPlatform reports what single fields cannot show.
func (d *decoder) checkPlatform(p *Platform) {
	for _, env := range slices.Sorted(maps.Keys(p.Environments)) {
		e, path := p.Environments[env], "environments."+env
		if e.State.URL == "" && !d.bad[path+".state"] && !d.bad[path+".state.url"] {
			d.missing(path+".state", "is missing: add `state: s3://BUCKET/PREFIX`, or postgres:// or file://")
		}
		if e.Ingress.Class == "" && !d.bad[path+".ingress.class"] {
			d.missing(path+".ingress.class", "is missing: add the class of the cluster's ingress controller, as `kubectl get ingressclass` lists it")
		}
		d.checkServers(path, e)
		d.checkRewrite(path+".ingress.rewrite", e.Ingress.Rewrite)
		for i, s := range e.Services {
			if at := fmt.Sprintf("%s.services[%d]", path, i); (s.Namespace == "") == (s.CIDR == "") && !d.bad[at+".cidr"] && !d.bad[at+".namespace"] {
				d.problem(d.at[at], at, "needs `namespace:` or `cidr:`, one of them")
			}
		}
	}
}

func (d *decoder) checkServers(path string, e PlatformEnvironment) {
	if e.Database != nil {
		d.checkCredentials(path+".database.admin", e.Database.Admin, true)
		d.checkCredentials(path+".database.bootstrap", e.Database.Bootstrap, false)
	}
	if e.Storage != nil {
		d.checkCredentials(path+".storage.admin", e.Storage.Admin, e.Storage.Endpoint != "")
	}
	if e.Auth != nil {
		d.checkCredentials(path+".auth.admin", e.Auth.Admin, true)
	}
	if r := e.Redis; r != nil {
		d.checkMode(path+".redis", r.Mode, "host", r.Host)
		d.checkCredentials(path+".redis.admin", r.Admin, false)
	}
	if s := e.Search; s != nil {
		d.checkMode(path+".search", s.Mode, "url", s.URL)
		d.checkCredentials(path+".search.admin", s.Admin, false)
	}
}

// checkMode holds the address of a managed server against the mode.
func (d *decoder) checkMode(path, mode, field, address string) {
	switch {
	case d.bad[path] || d.bad[path+".mode"] || d.bad[path+"."+field]:
	case mode == "":
		d.missing(path, "needs `mode: instance` or `mode: managed`")
	case mode == ModeManaged && address == "":
		d.missing(path, "is managed, so it needs `"+field+":`")
	case mode == ModeInstance && address != "":
		d.problem(d.at[path+"."+field], path+"."+field, "an instance has no %s of its own: remove the line, or write `mode: managed`", field)
	}
}

func (d *decoder) checkCredentials(path string, c PlatformCredentials, needed bool) {
	for _, p := range []string{path, path + ".user", path + ".password", path + ".both"} {
		if d.bad[p] {
			return
		}
	}
	one := c.User != "" && c.Password != "" && c.Both == ""
	other := c.User == "" && c.Password == "" && c.Both != ""
	if _, given := d.at[path]; !one && !other && (needed || given) {
		d.missing(path, "needs `user:` and `password:`, or one reference to a secret that holds both")
	}
}

func (d *decoder) checkRewrite(path string, r PlatformRewrite) {
	if at, given := d.at[path]; given && r.Traefik == (len(r.Annotations) > 0) && !d.bad[path] && !d.bad[path+".traefik"] {
		d.problem(at, path, "needs `traefik: true` or `annotations:`, one of them")
	}
}
