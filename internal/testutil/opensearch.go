package testutil

import (
	"context"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"plattr.dev/plattr/localdev/javaserver"
)

// OpenSearchServer is an OpenSearch of this test binary, without the security plugin, as on the laptop.
type OpenSearchServer struct {
	process

	URL string
}

//nolint:gochecknoglobals // one server per test binary: it takes seconds to start
var sharedOpenSearch = sync.OnceValues(func() (*OpenSearchServer, error) { return newOpenSearch(context.Background()) })

// OpenSearch returns the server that the tests of this binary share: use index names of your own. The first call starts
// it, in some five seconds.
func OpenSearch(t testing.TB) *OpenSearchServer {
	t.Helper()
	return must(t, "OpenSearch", sharedOpenSearch)
}

// NewOpenSearch starts a server of the test's own, which may be killed and started again.
func NewOpenSearch(t testing.TB) *OpenSearchServer {
	t.Helper()
	o := must(t, "OpenSearch", func() (*OpenSearchServer, error) { return newOpenSearch(t.Context()) })
	t.Cleanup(o.remove)
	return o
}

func newOpenSearch(ctx context.Context) (*OpenSearchServer, error) {
	server, java, err := javaProgram(ctx, "opensearch", 256)
	if err != nil {
		return nil, err
	}
	dir, err := newDir("opensearch")
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
	o := &OpenSearchServer{URL: "http://127.0.0.1:" + strconv.Itoa(port)}
	o.title, o.dir = "OpenSearch", dir
	o.ready = func(ctx context.Context) error {
		return get(ctx, o.URL+"/_cluster/health?wait_for_status=yellow&timeout=1s")
	}
	o.how, err = javaserver.OpenSearch{
		Java: java, Home: filepath.Dir(server.Dir), Dir: dir, Data: filepath.Join(dir, "data"), Host: "127.0.0.1",
		Port: port, TransportPort: transport,
	}.Prepare()
	if err != nil {
		return nil, err
	}
	return o, o.Start(ctx)
}
