package javaserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// OpenSearch is a server of one node, without the security plugin: whoever reaches it may do everything.
type OpenSearch struct {
	Java Java
	// Home is the installation. It is only read.
	Home string
	// Dir is the server's own folder, Data the one of its indices.
	Dir, Data string
	// Host is where it listens, Port for clients and TransportPort for nodes, of which there are no others.
	Host                string
	Port, TransportPort int
}

// openSearchLog sends everything to the standard output, where the supervisor keeps it, and what is told about bootstrap
// checks (which are for production) nowhere.
const openSearchLog = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %c{1.} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.bootstrap.name = org.opensearch.bootstrap.BootstrapChecks
logger.bootstrap.level = error
`

// Prepare writes the server's files and returns how to start it. It can be repeated.
func (o OpenSearch) Prepare() (Process, error) {
	if err := folders(o.Dir, "conf", "tmp", "logs"); err != nil {
		return Process{}, fmt.Errorf("make OpenSearch's folders: %w", err)
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return Process{}, fmt.Errorf("make OpenSearch's folders: %w", err)
	}
	conf := filepath.Join(o.Dir, "conf")
	for name, text := range map[string]string{"opensearch.yml": o.settings(), "log4j2.properties": openSearchLog} {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o600); err != nil {
			return Process{}, fmt.Errorf("write OpenSearch's configuration: %w", err)
		}
	}
	args := append(o.Java.options(filepath.Join(o.Dir, "tmp")), fmt.Sprintf("-Xms%dm", o.Java.HeapMB),
		"--add-opens=java.base/java.nio=ALL-UNNAMED", "-Djna.nosys=true", "-Djna.tmpdir="+filepath.Join(o.Dir, "tmp"),
		"-Dio.netty.noUnsafe=true", "-Dio.netty.noKeySetOptimization=true", "-Dio.netty.recycler.maxCapacityPerThread=0",
		// Java's own data first: ICU's, among the libraries, is slower, and wanted for the languages that a small Java lacks.
		"-Djava.locale.providers=CLDR,SPI",
		"-Dlog4j.shutdownHookEnabled=false", "-Dlog4j2.disable.jmx=true",
		"-Dopensearch.path.home="+o.Home, "-Dopensearch.path.conf="+conf, "-Dopensearch.distribution.type=zip",
		"-cp", filepath.Join(o.Home, "lib", "*")+string(os.PathListSeparator)+filepath.Join(o.Home, "agent", "*"),
		"org.opensearch.bootstrap.OpenSearch")
	return Process{Path: o.Java.Program, Args: args, Dir: o.Dir}, nil
}

func (o OpenSearch) settings() string {
	quote := strconv.Quote // a YAML string in double quotes takes Go's escapes for paths and names
	return "cluster.name: plattr\nnode.name: plattr\ndiscovery.type: single-node\n" +
		"network.host: " + quote(o.Host) + "\nhttp.port: " + strconv.Itoa(o.Port) + "\ntransport.port: " + strconv.Itoa(o.TransportPort) +
		"\npath.data: " + quote(o.Data) + "\npath.logs: " + quote(filepath.Join(o.Dir, "logs")) +
		// A laptop's disk is often nearly full; indices must not become read-only before it is.
		"\ncluster.routing.allocation.disk.threshold_enabled: false\n"
}
