package environ

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVariables(t *testing.T) {
	t.Parallel()
	s3 := func(c Connections) Connections {
		c.S3Endpoint, c.S3PublicEndpoint, c.S3Region = "http://s3", "http://public", "r"
		return c
	}
	cases := map[string]struct {
		reason  string
		c       Connections
		restURL string
		want    []string
	}{
		"Nothing": {reason: "An application without parts has no variables of the platform."},
		"DatabaseOnly": {
			reason: "Without REST there is no URL of it; without a shadow database none of that.",
			c:      Connections{DatabaseURL: "postgres://a", Schema: "shop"},
			want:   []string{"DATABASE_URL=postgres://a secret", "DATABASE_SCHEMA=shop"},
		},
		"Database": {
			reason: "On the laptop the application and its pod-to-be see the same REST URL.",
			c:      Connections{DatabaseURL: "postgres://a", ShadowURL: "postgres://b", Schema: "shop"}, restURL: "http://rest",
			want: []string{
				"DATABASE_URL=postgres://a secret", "DATABASE_SCHEMA=shop", "SHADOW_DATABASE_URL=postgres://b secret",
				"POSTGREST_URL=http://rest", "POSTGREST_INTERNAL_URL=http://rest",
			},
		},
		"StorageWithoutKeys": {
			reason: "With a web identity there are no keys.",
			c:      s3(Connections{Buckets: map[string]string{"up-loads": "p-up-loads", "a": "p-a"}}),
			want: []string{
				"S3_ENDPOINT=http://s3", "S3_PUBLIC_ENDPOINT=http://public", "S3_REGION=r",
				"S3_BUCKET_A=p-a", "S3_BUCKET_UP_LOADS=p-up-loads",
			},
		},
		"StorageWithKeys": {
			reason: "An AWS SDK works as it is.",
			c:      s3(Connections{Buckets: map[string]string{"a": "p-a"}, AccessKey: "k", SecretKey: "s"}),
			want: []string{
				"S3_ENDPOINT=http://s3", "S3_PUBLIC_ENDPOINT=http://public", "S3_REGION=r", "S3_BUCKET_A=p-a",
				"S3_ACCESS_KEY=k", "S3_SECRET_KEY=s secret", "AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s secret",
				"AWS_REGION=r", "AWS_ENDPOINT_URL_S3=http://s3",
			},
		},
		"Auth": {
			reason: "A public client has no secret; the demo user is there on the laptop only.",
			c:      Connections{IssuerURL: "http://a/realms/x", AuthInternalURL: "http://b/realms/x", ClientID: "shop"},
			want:   []string{"AUTH_ISSUER_URL=http://a/realms/x", "AUTH_INTERNAL_URL=http://b/realms/x", "AUTH_CLIENT_ID=shop"},
		},
		"Services": {
			reason: "Passwords are secret; a search server without users has none.",
			c: Connections{
				ClientSecret: "s", DemoUser: "demo", DemoPassword: "d", RedisURL: "redis://r", SearchURL: "http://s", SearchPrefix: "x--",
			},
			want: []string{
				"AUTH_CLIENT_SECRET=s secret", "AUTH_DEMO_USER=demo", "AUTH_DEMO_PASSWORD=d secret", "REDIS_URL=redis://r secret",
				"OPENSEARCH_URL=http://s", "OPENSEARCH_INDEX_PREFIX=x--",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, texts(Variables(tc.c, SameREST(tc.restURL)))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestOverride(t *testing.T) {
	t.Parallel()
	vars := []Variable{{Name: "PORT", Value: "3000"}, {Name: "B", Value: "b"}}
	got := texts(Override(vars, map[string]string{"Z": "z", "PORT": "4000", "A": "a"}))
	want := []string{"PORT=4000 secret", "B=b", "A=a secret", "Z=z secret"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("own values replace in place and follow in order (-want +got):\n%s", diff)
	}
}

func texts(vars []Variable) []string {
	var out []string
	for _, v := range vars {
		line := v.Name + "=" + v.Value
		if v.Secret {
			line += " secret"
		}
		out = append(out, line)
	}
	return out
}
