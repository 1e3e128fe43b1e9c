package testutil

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"plattr.dev/plattr/localdev/lockfile"
)

// motoVersion is the version of moto, an AWS imitation on PyPI that has what versitygw does not.
const motoVersion = "5.2.5"

// motoProgram runs moto and, as it has no such option, ends with its standard input.
const motoProgram = `import os, sys, threading
from moto.server import main
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
main(["-H", sys.argv[1], "-p", sys.argv[2]])`

//nolint:gochecknoglobals // one server per test binary: it takes seconds to start
var sharedMoto = sync.OnceValues(startMoto)

// Moto returns the test binary's moto server. It is no real S3: only for what versitygw cannot do, in tests that say
// so. It is downloaded once, and only under PLATTR_TEST_REQUIRE=1; else a test without it is skipped.
func Moto(t testing.TB) *S3Server {
	t.Helper()
	Require(t, !testing.Short(), "moto is not for short tests")
	s, err := sharedMoto()
	Require(t, err == nil, fmt.Sprintf("moto %s cannot be run: %v", motoVersion, err))
	return s
}

func startMoto() (*S3Server, error) {
	python, err := motoPython(context.Background())
	if err != nil {
		return nil, err
	}
	addresses, err := freeAddresses(1)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addresses[0])
	if err != nil {
		return nil, err
	}
	url := "http://" + addresses[0]
	s := &S3Server{
		Endpoint: url, IAMEndpoint: url, Region: "us-east-1", AccessKey: "test", SecretKey: "test",
		command: func() *exec.Cmd { return exec.Command(python, "-c", motoProgram, host, port) },
	}
	return s, s.Start()
}

// motoPython is the Python of an environment that has moto. The environment is complete once its mark is there.
func motoPython(ctx context.Context) (string, error) {
	tools, err := toolsDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(tools, "moto-"+motoVersion)
	release, err := lockfile.Lock(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer release()
	python, mark := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "complete")
	if _, err := os.Stat(mark); err == nil {
		return python, nil
	}
	if os.Getenv("PLATTR_TEST_REQUIRE") != "1" {
		return "", fmt.Errorf("it is not there, and is downloaded only under PLATTR_TEST_REQUIRE=1")
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", "--clear", dir},
		{python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "moto[server]==" + motoVersion},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return python, os.WriteFile(mark, nil, 0o600)
}
