// Package s3server is the local S3 endpoint: versitygw with its IAM API and its web console, as a library, in a process
// of its own. versitygw changes the working directory and has state per process, so one process holds one server.
package s3server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/localdev/s3server/s3config"
)

// Config is one server.
type Config = s3config.Config

// Version is versitygw's version; Region is the region that every local bucket is in.
const (
	Version = s3config.Version
	Region  = s3config.Region
)

// The limits leave room for any test run and keep the queues small.
const (
	maxConnections = 4096
	maxRequests    = 2048
	maxParts       = 10_000 // S3's own limit
)

// privateSocket is where the S3 API asks the IAM API. It is relative to buckets/, the working directory, because the
// path of a socket may not be longer than about 100 bytes and Dir may.
const privateSocket = "../iam.sock"

// Main is the command that the supervisor runs: Main(ctx, FILE) serves the Config in the JSON file until it gets
// SIGTERM or SIGINT. The keys are in the file, 0600, because everyone can read a process's arguments.
func Main(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("serve S3: want one argument, the configuration file")
	}
	raw, err := os.ReadFile(args[0])
	if err != nil {
		return fmt.Errorf("serve S3: %w", err)
	}
	var c Config
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("serve S3: %s: %w", args[0], err)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return Run(ctx, c)
}

// Run serves until ctx ends. It changes the working directory of the process and may run once per process at a time.
func Run(ctx context.Context, c Config) error {
	be, err := open(c.Dir)
	if err != nil {
		return fmt.Errorf("serve S3 from %s: %w", c.Dir, err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := embedgw.RunIAMAPI(ctx, iamConfig(c)); err != nil {
			return fmt.Errorf("serve IAM on %s: %w", c.IAMAddress, err)
		}
		return nil
	})
	g.Go(func() error {
		// The gateway waits two seconds if the IAM API is not there when it starts.
		if err := waitForSocket(ctx, privateSocket); err != nil {
			return nil //nolint:nilerr // ctx ended; the other half says why
		}
		if err := embedgw.RunVersityGW(ctx, be, gatewayConfig(c)); err != nil {
			return fmt.Errorf("serve S3 on %s: %w", c.Address, err)
		}
		return nil
	})
	return g.Wait() //nolint:wrapcheck // both halves say what they were doing
}

// maxCopy is the size up to which an object is copied in one request, in bytes: that of AWS.
const maxCopy = 5 << 30

// open makes what is missing in dir and opens the store.
func open(dir string) (*posix.Posix, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	buckets, versions, sidecar := filepath.Join(dir, "buckets"), filepath.Join(dir, "versions"), filepath.Join(dir, "sidecar")
	for _, d := range []string{buckets, versions, filepath.Join(dir, "iam")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	opts := posix.PosixOpts{VersioningDir: versions, CopyObjectThreshold: maxCopy}
	opts.SetNewDirPerm(0o700)
	opts.SetNewFilePerm(0o600)
	var store meta.MetadataStorer = meta.XattrMeta{}
	// Once objects have their metadata in the side-car, it stays there, whatever the file system can do.
	_, statErr := os.Stat(sidecar)
	if statErr == nil || (meta.XattrMeta{}).Test(buckets) != nil {
		if err := os.MkdirAll(sidecar, 0o700); err != nil {
			return nil, err
		}
		if store, err = meta.NewSideCar(sidecar); err != nil {
			return nil, fmt.Errorf("open the metadata: %w", err)
		}
		opts.SideCarDir = sidecar
	}
	if err := removeUnfinished(buckets, store); err != nil {
		return nil, err
	}
	be, err := posix.New(buckets, store, opts)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return be, nil
}

// removeUnfinished removes the empty folders of buckets whose making was cut off by a kill: versitygw writes a bucket's
// owner after its folder, and refuses a name whose folder has none.
func removeUnfinished(buckets string, store meta.MetadataStorer) error {
	entries, err := os.ReadDir(buckets)
	if err != nil {
		return err
	}
	for _, e := range entries {
		folder := filepath.Join(buckets, e.Name())
		if !e.IsDir() || whole(folder, e.Name(), store) {
			continue
		}
		// Only an empty one goes; what has objects is for a person to look at.
		if err := os.Remove(folder); err != nil && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

// whole tells whether a bucket has an owner.
func whole(folder, name string, store meta.MetadataStorer) bool {
	if _, xattr := store.(meta.XattrMeta); xattr {
		name = folder // the side-car knows buckets by name, extended attributes are at a path
	}
	_, err := store.RetrieveAttribute(nil, name, "", ownerAttribute)
	return !errors.Is(err, meta.ErrNoSuchKey)
}

// ownerAttribute is where versitygw keeps a bucket's owner (backend/posix/posix.go, aclkey).
const ownerAttribute = "acl"

func iamConfig(c Config) *embedgw.IAMConfig {
	return &embedgw.IAMConfig{
		RootUserAccess: c.AccessKey, RootUserSecret: c.SecretKey,
		Ports: []string{c.IAMAddress}, PrivatePorts: []string{privateSocket}, PrivateSocketPerm: "0600",
		MaxConnections: maxConnections, MaxRequests: maxRequests, KeepAlive: true, Quiet: true,
		IAMDir: "../iam", Region: Region, CORSAllowOrigin: consoleOrigin(c), DisableOIDCThumbprintAutoFetch: true,
	}
}

// gatewayConfig leaves versitygw's line per request on: it is what a developer looks for in the log, and it redacts
// signatures. The IAM API is asked on every request, so it is quiet.
func gatewayConfig(c Config) *embedgw.Config {
	g := &embedgw.Config{
		RootUserAccess: c.AccessKey, RootUserSecret: c.SecretKey, Region: Region,
		Ports: []string{c.Address}, StandaloneIAMEndpoint: privateSocket,
		MaxConnections: maxConnections, MaxRequests: maxRequests, MultipartMaxParts: maxParts,
		KeepAlive: true, Version: Version, CORSAllowOrigin: consoleOrigin(c),
	}
	if c.WebAddress != "" {
		g.WebuiPorts = []string{c.WebAddress}
		g.WebuiGateways = []string{cmp.Or(c.PublicURL, "http://"+c.Address)}
		g.WebuiIAMGateways = []string{cmp.Or(c.PublicIAMURL, "http://"+c.IAMAddress)}
	}
	return g
}

// consoleOrigin lets only the web console's page call the APIs from a browser; buckets have their own CORS rules.
func consoleOrigin(c Config) string {
	if c.WebAddress == "" {
		return ""
	}
	return cmp.Or(c.PublicWebURL, "http://"+c.WebAddress)
}

func waitForSocket(ctx context.Context, path string) error {
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "unix", path)
		if err == nil {
			_ = conn.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
