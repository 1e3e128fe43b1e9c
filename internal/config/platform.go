package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"plattr.dev/plattr/internal/config/names"
)

// PlatformFileName is what the settings of a platform are called: the environments that applications are deployed to.
const PlatformFileName = "plattr.platform.yaml"

// Reference names where a secret is: env:NAME, file:PATH, k8s:NAMESPACE/NAME#KEY or awssm:ARN#KEY. The secret itself is
// never in the file.
type Reference string

// Platform is the content of a plattr.platform.yaml.
type Platform struct {
	Account            string                         `json:"account,omitempty" yaml:"account,omitempty"`
	Region             string                         `json:"region,omitempty" yaml:"region,omitempty"`
	BaseDomain         string                         `json:"baseDomain" yaml:"baseDomain"`
	HostedZone         string                         `json:"hostedZone,omitempty" yaml:"hostedZone,omitempty"`
	GitHubOrganisation string                         `json:"githubOrganisation,omitempty" yaml:"githubOrganisation,omitempty"`
	Environments       map[string]PlatformEnvironment `json:"environments" yaml:"environments"`

	// Path is the file's; relative paths in it begin in its directory.
	Path string `json:"-" yaml:"-" config:"resolved"`
}

// PlatformEnvironment is one place to deploy to.
type PlatformEnvironment struct {
	Cluster   PlatformCluster   `json:"cluster" yaml:"cluster"`
	Namespace string            `json:"namespace,omitempty" yaml:"namespace,omitempty"`
	Database  *PlatformDatabase `json:"database,omitempty" yaml:"database,omitempty"`
	Storage   *PlatformStorage  `json:"storage,omitempty" yaml:"storage,omitempty"`
	Auth      *PlatformAuth     `json:"auth,omitempty" yaml:"auth,omitempty"`
	Redis     *PlatformRedis    `json:"redis,omitempty" yaml:"redis,omitempty"`
	Search    *PlatformSearch   `json:"search,omitempty" yaml:"search,omitempty"`
	Ingress   PlatformIngress   `json:"ingress" yaml:"ingress"`
	Services  []PlatformService `json:"services,omitempty" yaml:"services,omitempty"`
	State     PlatformState     `json:"state" yaml:"state"`
	Owners    []string          `json:"owners,omitempty" yaml:"owners,omitempty"`
	Images    map[string]string `json:"images,omitempty" yaml:"images,omitempty"`
}

// PlatformCluster is the Kubernetes of an environment. Empty fields mean what kubectl would use, or a pod's own identity.
type PlatformCluster struct {
	Kubeconfig string `json:"kubeconfig,omitempty" yaml:"kubeconfig,omitempty"`
	Context    string `json:"context,omitempty" yaml:"context,omitempty"`
}

// PlatformCredentials are a user, or the ID of a key, and where its password is.
type PlatformCredentials struct {
	User     string    `json:"user,omitempty" yaml:"user,omitempty"`
	Password Reference `json:"password,omitempty" yaml:"password,omitempty"`
	// Both names a secret that holds user and password as JSON, as RDS keeps it. It is what the short form sets.
	Both Reference `json:"both,omitempty" yaml:"both,omitempty"`
}

func (c *PlatformCredentials) text() (*string, string) {
	return (*string)(&c.Both), "PlatformCredentials.both"
}

// PlatformDatabase is the PostgreSQL of an environment.
type PlatformDatabase struct {
	Host  string              `json:"host" yaml:"host"`
	Port  int                 `json:"port,omitempty" yaml:"port,omitempty"`
	Name  string              `json:"name" yaml:"name"`
	Admin PlatformCredentials `json:"admin" yaml:"admin"`
	// Bootstrap logs in as somebody who may create event triggers.
	Bootstrap PlatformCredentials `json:"bootstrap,omitzero" yaml:"bootstrap,omitempty"`
	TLS       string              `json:"tls,omitempty" yaml:"tls,omitempty"`
}

// PlatformStorage is the S3 of an environment; without an endpoint it is AWS itself.
type PlatformStorage struct {
	Endpoint       string              `json:"endpoint,omitempty" yaml:"endpoint,omitempty"`
	IAMEndpoint    string              `json:"iamEndpoint,omitempty" yaml:"iamEndpoint,omitempty"`
	PublicEndpoint string              `json:"publicEndpoint,omitempty" yaml:"publicEndpoint,omitempty"`
	Region         string              `json:"region,omitempty" yaml:"region,omitempty"`
	Prefix         string              `json:"prefix,omitempty" yaml:"prefix,omitempty"`
	Capabilities   []string            `json:"capabilities,omitempty" yaml:"capabilities,omitempty"`
	Admin          PlatformCredentials `json:"admin,omitzero" yaml:"admin,omitempty"`
}

// PlatformAuth is the Keycloak of an environment.
type PlatformAuth struct {
	URL         string                      `json:"url" yaml:"url"`
	InternalURL string                      `json:"internalURL,omitempty" yaml:"internalURL,omitempty"`
	Admin       PlatformCredentials         `json:"admin" yaml:"admin"`
	Providers   map[string]PlatformProvider `json:"providers,omitempty" yaml:"providers,omitempty"`
}

// PlatformProvider are the credentials of an identity provider.
type PlatformProvider struct {
	ClientID     Reference `json:"clientID" yaml:"clientID"`
	ClientSecret Reference `json:"clientSecret" yaml:"clientSecret"`
}

// PlatformRedis says where applications have their Redis: an instance of their own in the cluster, or a managed one.
type PlatformRedis struct {
	Mode  string              `json:"mode" yaml:"mode"`
	Host  string              `json:"host,omitempty" yaml:"host,omitempty"`
	Port  int                 `json:"port,omitempty" yaml:"port,omitempty"`
	TLS   bool                `json:"tls,omitempty" yaml:"tls,omitempty"`
	Admin PlatformCredentials `json:"admin,omitzero" yaml:"admin,omitempty"`
}

func (r *PlatformRedis) text() (*string, string) { return &r.Mode, "PlatformRedis.mode" }

// PlatformSearch says where applications have their OpenSearch.
type PlatformSearch struct {
	Mode  string              `json:"mode" yaml:"mode"`
	URL   string              `json:"url,omitempty" yaml:"url,omitempty"`
	Admin PlatformCredentials `json:"admin,omitzero" yaml:"admin,omitempty"`
}

func (s *PlatformSearch) text() (*string, string) { return &s.Mode, "PlatformSearch.mode" }

// The modes of Redis and search.
const (
	ModeInstance = "instance"
	ModeManaged  = "managed"
)

// PlatformIngress says how the cluster's ingress controller is told of an application.
type PlatformIngress struct {
	Class       string            `json:"class,omitempty" yaml:"class,omitempty"`
	TLS         string            `json:"tls,omitempty" yaml:"tls,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty" yaml:"annotations,omitempty"`
	Namespace   string            `json:"namespace,omitempty" yaml:"namespace,omitempty"`
	Rewrite     PlatformRewrite   `json:"rewrite,omitzero" yaml:"rewrite,omitempty"`
}

// TLSExternal is the value of tls where whoever stands before the cluster has the certificate.
const TLSExternal = "external"

// PlatformRewrite takes /api/rest off the requests to the REST API.
type PlatformRewrite struct {
	Traefik     bool              `json:"traefik,omitempty" yaml:"traefik,omitempty"`
	Path        string            `json:"path,omitempty" yaml:"path,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty" yaml:"annotations,omitempty"`
}

// PlatformService is a place that the applications' pods may talk to.
type PlatformService struct {
	Namespace string `json:"namespace,omitempty" yaml:"namespace,omitempty"`
	CIDR      string `json:"cidr,omitempty" yaml:"cidr,omitempty"`
	Ports     []int  `json:"ports" yaml:"ports"`
}

// PlatformState is where the state of the environment's applications is kept.
type PlatformState struct {
	URL        string    `json:"url" yaml:"url"`
	Passphrase Reference `json:"passphrase,omitempty" yaml:"passphrase,omitempty"`
}

func (s *PlatformState) text() (*string, string) { return &s.URL, "PlatformState.url" }

// FindPlatform returns the path of the platform's file: that of a directory, or of the nearest one above it that has one, up to
// the root of a git repository. It is empty where there is none.
func FindPlatform(dir string) string {
	for {
		path := filepath.Join(dir, PlatformFileName)
		if _, err := os.Stat(path); err == nil {
			return path
		}
		parent := filepath.Dir(dir)
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil || parent == dir {
			return ""
		}
		dir = parent
	}
}

// LoadPlatform reads and checks the file at path. One that breaks a rule gives an *Error with every problem.
func LoadPlatform(path string) (*Platform, error) {
	raw, err := read(path)
	if err != nil {
		return nil, err
	}
	return ParsePlatform(path, raw)
}

// ParsePlatform checks the content of a file; path is what errors call it.
func ParsePlatform(path string, raw []byte) (*Platform, error) {
	d := newDecoder(path)
	d.kind = kindOfFile{
		noun: PlatformFileName, holds: "one platform", example: "baseDomain: example.com", remedy: "see the reference of its fields",
		whole: reflect.TypeFor[Platform](),
	}
	p := &Platform{Path: path}
	root := d.document(raw)
	if root == nil {
		return nil, d.err()
	}
	d.at[""] = place(root)
	d.section(root, reflect.ValueOf(p).Elem(), "")
	d.checkPlatform(p)
	if err := d.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// Environment returns the settings of an environment. One that is not there gives an error that lists those that are.
func (p *Platform) Environment(name string) (PlatformEnvironment, error) {
	e, ok := p.Environments[name]
	if ok {
		return e, nil
	}
	known := slices.Sorted(maps.Keys(p.Environments))
	if near := closest(name, known); near != "" {
		return e, fmt.Errorf("environment %q is not in %s, did you mean %q?", name, p.Path, near)
	}
	return e, fmt.Errorf("environment %q is not in %s: there is %s", name, p.Path, list(known))
}

// platformEnvironments are those that a platform may have: the laptop is nobody's platform.
func platformEnvironments() []string {
	return slices.DeleteFunc(names.Environments(), func(e string) bool { return e == names.Local })
}
