package workload

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/kube"
)

// RestPort is where PostgREST answers in the pod; its own state is asked for on the next one.
const (
	RestPort      = 3001
	restAdminPort = 3002
)

// Rest is PostgREST beside the application.
type Rest struct {
	// Image is PostgREST's, KeysImage plattr's own, which keeps the keys of the realm up to date.
	Image, KeysImage string
	// Secret is the object with RestURLKey: the login of PostgREST. The application's container does not see it.
	Secret pulumi.StringInput `json:"-"`
	// Schema is served; AnonRole is who requests without a token are; Channel is what announces changes.
	Schema, AnonRole, Channel string
	// PublicURL is where a browser reaches it.
	PublicURL string
	// KeysURL is where the realm publishes its keys; empty where there is no sign-in. Audience is whom its tokens are for.
	KeysURL, Audience string
}

// RestURLKey is the key of the login in its Secret.
const RestURLKey = "PGRST_DB_URI"

const (
	keysVolume = "keys"
	keysFolder = "/keys"
	keysFile   = keysFolder + "/jwks.json"
	// restUser is who PostgREST and the keys' container are: the images need no user of their own.
	restUser = 10001
)

func (r *Rest) validate() error {
	if r == nil {
		return nil
	}
	var errs []error
	for _, image := range []struct{ what, ref string }{{"PostgREST", r.Image}, {"plattr", r.KeysImage}} {
		if image.ref == "" && (image.what == "PostgREST" || r.KeysURL != "") {
			errs = append(errs, fmt.Errorf("there is no image of %s", image.what))
		}
	}
	if r.Schema == "" || r.AnonRole == "" || r.Channel == "" {
		errs = append(errs, errors.New("PostgREST needs a schema, a role for requests without a token and a channel"))
	}
	return errors.Join(errs...)
}

// server is PostgREST's container (https://postgrest.org/en/v12/references/configuration.html).
func (r *Rest) server() *corev1.ContainerArgs {
	settings := map[string]string{
		"PGRST_DB_SCHEMAS": r.Schema, "PGRST_DB_ANON_ROLE": r.AnonRole, "PGRST_DB_EXTRA_SEARCH_PATH": "extensions",
		"PGRST_DB_CHANNEL": r.Channel, "PGRST_DB_CHANNEL_ENABLED": "true", "PGRST_DB_POOL": "10",
		// A plan that was made for a user may hold a function's body, and would then run for requests without a token, too.
		"PGRST_DB_PREPARED_STATEMENTS": "false",
		"PGRST_SERVER_HOST":            "*4", "PGRST_SERVER_PORT": strconv.Itoa(RestPort),
		"PGRST_ADMIN_SERVER_PORT": strconv.Itoa(restAdminPort), "PGRST_LOG_LEVEL": "warn",
		"PGRST_OPENAPI_SERVER_PROXY_URI": r.PublicURL,
	}
	c := &corev1.ContainerArgs{
		Name: pulumi.String(kube.ContainerRest), Image: pulumi.String(r.Image), ImagePullPolicy: pulumi.String("IfNotPresent"),
		Ports: corev1.ContainerPortArray{&corev1.ContainerPortArgs{
			Name: pulumi.String("rest"), ContainerPort: pulumi.Int(RestPort),
		}},
		Resources: kube.Resources("50m", "64Mi", "256Mi"), SecurityContext: r.security(),
		StartupProbe:             probe("/live", restAdminPort, startPeriod, startFailures),
		ReadinessProbe:           probe("/ready", restAdminPort, readyPeriod, readyFailures),
		LivenessProbe:            probe("/live", restAdminPort, livePeriod, liveFailures),
		Lifecycle:                drained(),
		TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
	}
	if r.KeysURL != "" {
		settings["PGRST_JWT_SECRET"], settings["PGRST_JWT_AUD"] = "@"+keysFile, r.Audience
		c.VolumeMounts = corev1.VolumeMountArray{mount(true)}
	}
	c.Env = append(environment(settings), r.login())
	return c
}

// keys is the container that fetches the realm's keys and announces new ones on PostgREST's channel.
func (r *Rest) keys(name string, flags ...string) *corev1.ContainerArgs {
	args := append([]string{"pod", "keys", "--url", r.KeysURL, "--file", keysFile, "--channel", r.Channel}, flags...)
	return &corev1.ContainerArgs{
		Name: pulumi.String(name), Image: pulumi.String(r.KeysImage), ImagePullPolicy: pulumi.String("IfNotPresent"),
		Args: pulumi.ToStringArray(args), Env: corev1.EnvVarArray{r.login()},
		Resources: kube.Resources("10m", "32Mi", "128Mi"), SecurityContext: r.security(),
		VolumeMounts:             corev1.VolumeMountArray{mount(false)},
		TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
	}
}

func (r *Rest) login() *corev1.EnvVarArgs {
	return &corev1.EnvVarArgs{Name: pulumi.String(RestURLKey), ValueFrom: &corev1.EnvVarSourceArgs{
		SecretKeyRef: &corev1.SecretKeySelectorArgs{Name: r.Secret, Key: pulumi.String(RestURLKey)},
	}}
}

func (r *Rest) security() *corev1.SecurityContextArgs {
	s := kube.ContainerSecurity()
	s.ReadOnlyRootFilesystem = pulumi.Bool(true)
	s.RunAsUser, s.RunAsGroup = pulumi.Int(restUser), pulumi.Int(restUser)
	return s
}

func mount(readOnly bool) *corev1.VolumeMountArgs {
	return &corev1.VolumeMountArgs{Name: pulumi.String(keysVolume), MountPath: pulumi.String(keysFolder), ReadOnly: pulumi.Bool(readOnly)}
}

func environment(values map[string]string) corev1.EnvVarArray {
	vars := corev1.EnvVarArray{}
	names := make([]string, 0, len(values))
	for n, v := range values {
		if v != "" {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, strings.Compare)
	for _, n := range names {
		vars = append(vars, &corev1.EnvVarArgs{Name: pulumi.String(n), Value: pulumi.String(values[n])})
	}
	return vars
}
