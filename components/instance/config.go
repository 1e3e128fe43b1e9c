package instance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/providers/plattr/sdk"
)

// redisConfig is for a server that keeps what it is told, and refuses to write rather than to forget.
const redisConfig = "port 6379\nprotected-mode no\ndir /data\nappendonly yes\nmaxmemory 200mb\nmaxmemory-policy noeviction\nrequirepass %s\n"

// addConfig makes the password of a Redis, and the file that says it: arguments and variables could be read by others.
func (b *builder) addConfig() error {
	if b.args.Kind != Redis {
		return nil
	}
	password, err := sdk.NewSecret(b.ctx, b.name+"-password", nil, b.parent)
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	b.password = password.Value
	file := password.Value.ApplyT(func(p string) string { return fmt.Sprintf(redisConfig, p) }).(pulumi.StringOutput) //nolint:forcetypeassert // of such a function
	made, err := corev1.NewSecret(b.ctx, b.name, &corev1.SecretArgs{
		Metadata: b.args.App.Object(b.object() + "-server"), Type: pulumi.String("Opaque"),
		StringData: pulumi.ToSecret(pulumi.StringMap{"redis.conf": file}).(pulumi.StringMapOutput), //nolint:forcetypeassert // keeps the type
	}, b.parent)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	b.config = made.Metadata.Name().Elem()
	b.checksum = pulumi.Unsecret(password.Value.ApplyT(checksum)).(pulumi.StringOutput) //nolint:forcetypeassert // keeps the type
	return nil
}

// checksum changes with the configuration and gives the password, which is random and long, not away.
func checksum(password string) string {
	mac := hmac.New(sha256.New, []byte(password))
	mac.Write([]byte(redisConfig))
	return hex.EncodeToString(mac.Sum(nil))[:32]
}

// url is the server's, known when it is ready.
func (b *builder) url() pulumi.StringOutput {
	host := b.object() + "." + b.args.App.Namespace + ".svc:" + strconv.Itoa(b.server.port)
	if b.args.Kind != Redis {
		return b.ready.ApplyT(func(string) string { return "http://" + host }).(pulumi.StringOutput) //nolint:forcetypeassert // of such a function
	}
	return pulumi.ToSecret(pulumi.All(b.ready, b.password).ApplyT(func(v []any) string {
		u := url.URL{Scheme: "redis", User: url.UserPassword("default", v[1].(string)), Host: host, Path: "/0"} //nolint:forcetypeassert // a text
		return u.String()
	})).(pulumi.StringOutput)
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
