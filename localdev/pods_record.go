package localdev

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/environ"
	"plattr.dev/plattr/localdev/kind"
	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/s3server/s3config"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/state"
	"plattr.dev/plattr/stacks/application"
	"plattr.dev/plattr/stacks/local"
)

// podsRecord is which pods should run, and what they are told beyond this machine's secrets. It is kept in the state folder,
// 0600, because it holds logins of PostgREST.
type podsRecord struct {
	PostgreSQL   bool                `json:"postgresql,omitempty"`
	S3           bool                `json:"s3,omitempty"`
	Keycloak     bool                `json:"keycloak,omitempty"`
	OpenSearch   bool                `json:"opensearch,omitempty"`
	Applications bool                `json:"applications,omitempty"`
	Redis        map[string]int      `json:"redis,omitempty"` // slots of ports, by application
	PostgREST    map[string]podsREST `json:"postgrest,omitempty"`
	// Leftovers are folders of data whose service was removed, and that are not deleted yet.
	Leftovers []string `json:"leftovers,omitempty"`
}

// podsREST is one PostgREST, with addresses as pods reach them.
type podsREST struct {
	Slot     int               `json:"slot"`
	Settings map[string]string `json:"settings"`
}

const podsFile = "pods.json"

func readPods(d state.Dir) (podsRecord, error) {
	r := podsRecord{Redis: map[string]int{}, PostgREST: map[string]podsREST{}}
	err := d.ReadJSON(podsFile, &r)
	return r, err
}

func (r podsRecord) clone() podsRecord {
	r.Redis, r.PostgREST, r.Leftovers = maps.Clone(r.Redis), maps.Clone(r.PostgREST), slices.Clone(r.Leftovers)
	return r
}

func (r podsRecord) same(o podsRecord) bool {
	a, errA := json.Marshal(r)
	b, errB := json.Marshal(o)
	return errA == nil && errB == nil && string(a) == string(b)
}

// SlotsError says that no more applications can have a service of their own.
type SlotsError struct{ Service string }

func (e *SlotsError) Error() string {
	return fmt.Sprintf("the cluster has ports for %d of %s, and all are in use", kind.Slots, e.Service)
}

// Hint is the next step.
func (e *SlotsError) Hint() string {
	return "plattr dev destroy in the folder of an application that is not needed; plattr dev status lists them"
}

// freeSlot is the first slot that no other application has.
func freeSlot(service string, taken []int) (int, error) {
	for slot := 1; slot <= kind.Slots; slot++ {
		if !slices.Contains(taken, slot) {
			return slot, nil
		}
	}
	return 0, &SlotsError{service}
}

// need adds what is needed.
func (r *podsRecord) need(n Needs) error {
	r.PostgreSQL = r.PostgreSQL || n.PostgreSQL || n.Keycloak
	r.S3, r.Keycloak, r.OpenSearch = r.S3 || n.S3, r.Keycloak || n.Keycloak, r.OpenSearch || n.OpenSearch
	r.Applications = r.Applications || n.Cluster
	if _, known := r.Redis[n.Redis]; n.Redis != "" && !known {
		slot, err := freeSlot("Redis", slices.Collect(maps.Values(r.Redis)))
		if err != nil {
			return err
		}
		r.Redis[n.Redis] = slot
	}
	return nil
}

// serve adds the PostgREST of an application, or changes it. inside are the servers as pods reach them.
func (r *podsRecord) serve(app string, c PostgRESTConfig, inside map[string]string) error {
	rest, known := r.PostgREST[app]
	if !known {
		var taken []int
		for _, o := range r.PostgREST {
			taken = append(taken, o.Slot)
		}
		var err error
		if rest.Slot, err = freeSlot("PostgREST", taken); err != nil {
			return err
		}
	}
	rest.Settings = c.settings()
	for _, name := range []string{settingDatabase, services.SettingKeys} {
		if url, ok := rest.Settings[name]; ok {
			rest.Settings[name] = environ.Inside(url, inside)
		}
	}
	r.PostgREST[app] = rest
	return nil
}

// settingDatabase is PostgREST's setting with its login, settingChannel the one with what it listens to.
const (
	settingDatabase = "db-uri"
	settingChannel  = "db-channel"
)

// remove takes the service of one application away.
func (r *podsRecord) remove(name string) {
	for app := range r.Redis {
		if RedisName(app) == name {
			delete(r.Redis, app)
			r.Leftovers = append(r.Leftovers, redisFolder(app))
		}
	}
	for app := range r.PostgREST {
		if PostgRESTName(app) == name {
			delete(r.PostgREST, app)
		}
	}
}

// keep takes away the shared services that are not used. Keycloak's data are in PostgreSQL.
func (r *podsRecord) keep(used map[string]bool) {
	r.Keycloak = r.Keycloak && used[string(services.Keycloak)]
	r.PostgreSQL = r.PostgreSQL && (used[string(services.PostgreSQL)] || r.Keycloak)
	r.S3 = r.S3 && used[string(services.S3)]
	r.OpenSearch = r.OpenSearch && used[string(services.OpenSearch)]
	r.Applications = r.Applications && used[ingressName]
}

// ingressName is the ingress controller among the services that an application uses.
const ingressName = "ingress"

// Folders of data, below the cluster's.
func redisFolder(app string) string { return "redis/" + app }

// podsSetting is what the program of the pods depends on beside the record.
type podsSetting struct {
	images     kind.Images
	plattr     string // its image
	ports      kind.Record
	secrets    state.Secrets
	kubeconfig string
}

// config is the program of the pods.
func (r podsRecord) config(s podsSetting) (local.Config, error) {
	c := local.Config{Kubeconfig: s.kubeconfig, Images: local.Images{
		PostgreSQL: s.images.PostgreSQL, PostgREST: s.images.PostgREST, Keycloak: s.images.Keycloak, Redis: s.images.Redis,
		OpenSearch: s.images.OpenSearch, Plattr: s.plattr, Dashboards: s.images.Dashboards, MetricsServer: s.images.MetricsServer,
	}}
	folder := func(name string) string { return kind.DataPath + "/" + name }
	if r.PostgreSQL {
		c.PostgreSQL = &local.PostgreSQL{
			Folder: folder("postgresql/" + kind.Major(s.images.PostgreSQL)), NodePort: kind.NodePort(ports.PostgreSQL, 0),
			Settings: services.PostgreSQLSettings(), SuperPassword: s.secrets.DatabaseSuper,
		}
	}
	if r.S3 {
		file, err := s.s3File()
		if err != nil {
			return c, err
		}
		c.S3 = &local.S3{
			Folder: folder("s3"), NodePort: kind.NodePort(ports.S3, 0), IAMNodePort: kind.NodePort(ports.S3IAM, 0),
			WebNodePort: kind.NodePort(ports.S3Console, 0), Config: file,
		}
	}
	if r.Keycloak {
		c.Keycloak = &local.Keycloak{
			NodePort: kind.NodePort(ports.Keycloak, 0), URL: services.KeycloakURL(s.spec(services.Keycloak, "")),
			Database: services.KeycloakDatabase, DatabasePassword: s.secrets.KeycloakDatabase,
			Admin: services.KeycloakAdmin, AdminPassword: s.secrets.KeycloakAdmin,
			Client: services.KeycloakClient, ClientSecret: s.secrets.KeycloakClient, SuperPassword: s.secrets.DatabaseSuper,
		}
	}
	if r.OpenSearch {
		c.OpenSearch = &local.OpenSearch{
			Folder:   folder("opensearch/" + kind.Major(s.images.OpenSearch)),
			NodePort: kind.NodePort(ports.OpenSearch, 0), DashboardsNodePort: kind.NodePort(ports.Dashboards, 0),
		}
	}
	for _, app := range slices.Sorted(maps.Keys(r.Redis)) {
		c.Redis = append(c.Redis, local.Redis{
			Name: RedisName(app), Folder: folder(redisFolder(app)), NodePort: kind.NodePort(ports.Redis, r.Redis[app]),
			Users: services.RedisUsers(s.secrets.RedisAdmin),
		})
	}
	for _, app := range slices.Sorted(maps.Keys(r.PostgREST)) {
		c.PostgREST = append(c.PostgREST, r.PostgREST[app].config(app))
	}
	if r.Applications {
		c.Applications = &local.Applications{Namespace: "plattr-" + names.Local, Ingress: local.Controller{
			Image: s.images.Traefik, Port: kind.NodePort(ports.Ingress, 0),
		}}
	}
	return c, nil
}

func (r podsREST) config(app string) local.PostgREST {
	rest := local.PostgREST{
		Name: PostgRESTName(app), NodePort: kind.NodePort(ports.PostgREST, r.Slot), DatabaseURL: r.Settings[settingDatabase],
		KeysURL: r.Settings[services.SettingKeys], Channel: r.Settings[settingChannel], Settings: maps.Clone(r.Settings),
	}
	delete(rest.Settings, settingDatabase)
	delete(rest.Settings, services.SettingKeys)
	return rest
}

func (s podsSetting) s3File() (string, error) {
	at := func(use ports.Use) string { return "http://" + s.address(use, 0) }
	raw, err := json.Marshal(s3config.Config{
		Dir: "/data", Address: "0.0.0.0:" + strconv.Itoa(local.S3Port), IAMAddress: "0.0.0.0:" + strconv.Itoa(local.S3IAMPort),
		WebAddress: "0.0.0.0:" + strconv.Itoa(local.S3ConsolePort),
		PublicURL:  at(ports.S3), PublicIAMURL: at(ports.S3IAM), PublicWebURL: at(ports.S3Console),
		AccessKey: s.secrets.S3AccessKey, SecretKey: s.secrets.S3SecretKey,
	})
	if err != nil {
		return "", fmt.Errorf("write the S3 server's configuration: %w", err)
	}
	return string(raw), nil
}

// address is host:port of a use on this machine.
func (s podsSetting) address(use ports.Use, slot int) string {
	return net.JoinHostPort(ports.Host, strconv.Itoa(s.ports.Port(use, slot)))
}

// spec is a shared service as this machine reaches it, in the words of the table of services.
func (s podsSetting) spec(k services.Kind, app string) services.Spec {
	uses := map[services.Kind][]ports.Use{
		services.PostgreSQL: {ports.PostgreSQL}, services.S3: {ports.S3, ports.S3Console, ports.S3IAM},
		services.Keycloak: {ports.Keycloak}, services.OpenSearch: {ports.OpenSearch},
	}[k]
	if s.images.Dashboards != "" && k == services.OpenSearch {
		uses = append(uses, ports.Dashboards)
	}
	spec := services.Spec{Name: string(k), Kind: k, App: app, Ports: map[ports.Use]int{}, Version: s.version(k)}
	for _, use := range uses {
		spec.Ports[use] = s.ports.Port(use, 0)
	}
	return spec
}

// version is what people are told of a service's.
func (s podsSetting) version(k services.Kind) string {
	switch k {
	case services.S3:
		return s3config.Version
	case services.PostgreSQL:
		return kind.Tag(s.images.PostgreSQL)
	case services.PostgREST:
		return strings.TrimPrefix(kind.Tag(s.images.PostgREST), "v")
	case services.Keycloak:
		return kind.Tag(s.images.Keycloak)
	case services.Redis:
		return kind.Tag(s.images.Redis)
	case services.OpenSearch:
		return kind.Tag(s.images.OpenSearch)
	}
	return ""
}

// specOf is a service by its name, as this machine reaches it; false for one that is not in the record.
func (r podsRecord) specOf(name string, s podsSetting) (services.Spec, bool) {
	for app, slot := range r.Redis {
		if RedisName(app) == name {
			return services.Spec{
				Name: name, Kind: services.Redis, App: app, Version: s.version(services.Redis),
				Ports: map[ports.Use]int{ports.Redis: s.ports.Port(ports.Redis, slot)},
			}, true
		}
	}
	for app, rest := range r.PostgREST {
		if PostgRESTName(app) == name {
			return services.Spec{
				Name: name, Kind: services.PostgREST, App: app, Version: s.version(services.PostgREST),
				Ports: map[ports.Use]int{ports.PostgREST: s.ports.Port(ports.PostgREST, rest.Slot)},
			}, true
		}
	}
	there := map[services.Kind]bool{
		services.PostgreSQL: r.PostgreSQL, services.S3: r.S3, services.Keycloak: r.Keycloak, services.OpenSearch: r.OpenSearch,
	}
	k := services.Kind(name)
	return s.spec(k, ""), there[k]
}

// clusterEndpoint is the cluster as a place for applications.
func (p place) clusterEndpoint() *ClusterEndpoint {
	ingress := application.Ingress{
		Class: local.IngressClass, Port: p.ports.Port(ports.Ingress, 0), Controller: local.IngressNamespace,
		Rewrite: application.Rewrite{Traefik: true},
	}
	servers := []int{local.PostgreSQLPort, local.S3Port, local.KeycloakPort, local.RedisPort, local.OpenSearchPort}
	return &ClusterEndpoint{IngressPort: ingress.Port, Platform: deploy.Cluster{
		Kubeconfig: p.kubeconfig, Ingress: ingress, Services: []application.Peer{{Namespace: local.Namespace, Ports: servers}},
		Inside: p.record.inside(p.podsSetting), PlattrImage: p.plattr, RestImage: p.images.PostgREST,
	}}
}

// inside are the servers as pods reach them, by the addresses at which this machine does.
func (r podsRecord) inside(s podsSetting) map[string]string {
	at := map[string]string{
		s.address(ports.PostgreSQL, 0): local.Address(string(services.PostgreSQL), local.PostgreSQLPort),
		s.address(ports.S3, 0):         local.Address(string(services.S3), local.S3Port),
		s.address(ports.Keycloak, 0):   local.Address(string(services.Keycloak), local.KeycloakPort),
		s.address(ports.OpenSearch, 0): local.Address(string(services.OpenSearch), local.OpenSearchPort),
	}
	for app, slot := range r.Redis {
		at[s.address(ports.Redis, slot)] = local.Address(RedisName(app), local.RedisPort)
	}
	return at
}
