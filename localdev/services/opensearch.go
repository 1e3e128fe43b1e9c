package services

import (
	"context"
	"path/filepath"

	"plattr.dev/plattr/localdev/javaserver"
	"plattr.dev/plattr/localdev/ports"
)

func prepareOpenSearch(_ context.Context, p Place, s Spec) (Command, error) {
	process, err := javaserver.OpenSearch{
		Java: javaserver.Java{Program: s.Java.Program, Archive: s.Java.Archive, HeapMB: 256},
		Home: filepath.Dir(filepath.Dir(s.Program)), Dir: p.Dir, Data: p.State.Join("opensearch", major(s.Version)),
		Host: ports.Host, Port: s.Ports[ports.OpenSearch], TransportPort: s.Ports[ports.OpenSearchNodes],
	}.Prepare()
	if err != nil {
		return Command{}, err
	}
	return javaCommand(p, process), nil
}

// readyOpenSearch waits for yellow: a server that answers may still be looking for its indices after a crash.
func readyOpenSearch(ctx context.Context, _ Place, s Spec) error {
	return answers(ctx, "http://"+s.Address(ports.OpenSearch)+"/_cluster/health?wait_for_status=yellow&timeout=1s")
}
