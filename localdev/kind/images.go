package kind

import (
	"fmt"
	"slices"
	"strings"
)

// Images are what runs in the cluster. Each is a setting; a name is pinned by its tag, or by a digest.
type Images struct {
	Node, Registry                                                 string
	PostgreSQL, PostgREST, Keycloak, Redis, OpenSearch, Dashboards string
	Traefik, MetricsServer                                         string
	// Plattr is plattr itself; empty means that this very program is put into an image.
	Plattr string
}

// None is the value of a setting that leaves a server out, where that is possible.
const None = "none"

// source is a row of the table.
type source struct {
	variable string
	public   string // what is used without the setting
	optional bool   // None leaves it out
	field    func(*Images) *string
}

// table is where every image comes from. The public ones are pinned by version: nobody has pulled them where this is built,
// so no digest is known.
func table() []source {
	return []source{
		{"PLATTR_IMAGE_NODE", "kindest/node:v1.34.3", false, func(i *Images) *string { return &i.Node }},
		{"PLATTR_IMAGE_REGISTRY", "registry:3.0.0", false, func(i *Images) *string { return &i.Registry }},
		{"PLATTR_IMAGE_POSTGRESQL", "postgres:17.5", false, func(i *Images) *string { return &i.PostgreSQL }},
		{"PLATTR_IMAGE_POSTGREST", "postgrest/postgrest:v12.0.2", false, func(i *Images) *string { return &i.PostgREST }},
		{"PLATTR_IMAGE_KEYCLOAK", "quay.io/keycloak/keycloak:26.6.4", false, func(i *Images) *string { return &i.Keycloak }},
		{"PLATTR_IMAGE_REDIS", "redis:7.2", false, func(i *Images) *string { return &i.Redis }},
		{"PLATTR_IMAGE_OPENSEARCH", "opensearchproject/opensearch:3.8.0", false, func(i *Images) *string { return &i.OpenSearch }},
		{"PLATTR_IMAGE_DASHBOARDS", "opensearchproject/opensearch-dashboards:3.8.0", true, func(i *Images) *string { return &i.Dashboards }},
		{"PLATTR_IMAGE_TRAEFIK", "traefik:v3.6.2", false, func(i *Images) *string { return &i.Traefik }},
		{"PLATTR_IMAGE_METRICS_SERVER", "registry.k8s.io/metrics-server/metrics-server:v0.8.0", true, func(i *Images) *string { return &i.MetricsServer }},
		{"PLATTR_IMAGE_PLATTR", "", false, func(i *Images) *string { return &i.Plattr }},
	}
}

// Variables are the names of the settings of images.
func Variables() []string {
	var names []string
	for _, row := range table() {
		names = append(names, row.variable)
	}
	return names
}

// LoadImages reads the settings.
func LoadImages(getenv func(string) string) (Images, error) {
	var images Images
	for _, row := range table() {
		name := getenv(row.variable)
		switch {
		case name == "":
			name = row.public
		case name == None && !row.optional:
			return images, fmt.Errorf("%s: the cluster needs this image", row.variable)
		case strings.ContainsAny(name, " \t\n'\"") || strings.HasPrefix(name, "-"):
			return images, fmt.Errorf("%s: %q is no name of an image", row.variable, name)
		}
		if name == None {
			name = ""
		}
		*row.field(&images) = name
	}
	return images, nil
}

// Tag is the version that an image's name gives: 17.5 of postgres:17.5, v3 of traefik:v3@sha256:...
func Tag(name string) string {
	name, _, _ = strings.Cut(name, "@")
	parts := strings.Split(name, "/")
	_, tag, ok := strings.Cut(parts[len(parts)-1], ":")
	if !ok {
		return "latest"
	}
	return tag
}

// Major is the first number of an image's tag, by which data are kept; the tag where there is none.
func Major(name string) string {
	tag := Tag(name)
	major, _, _ := strings.Cut(strings.TrimPrefix(tag, "v"), ".")
	if major == "" || slices.ContainsFunc([]rune(major), func(r rune) bool { return r < '0' || r > '9' }) {
		return tag
	}
	return major
}
