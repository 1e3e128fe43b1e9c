package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// maxMessage is the size of a gRPC message that Pulumi allows, in bytes.
const maxMessage = 400 << 20

// served are providers of this process that a stock CLI can attach to.
type served struct {
	listeners []net.Listener

	mu      sync.Mutex
	servers []*grpc.Server
	running []plugin.Provider
}

// serve offers each provider on a port of 127.0.0.1 and returns the value of PULUMI_DEBUG_PROVIDERS for them.
func serve(factories map[string]func() plugin.Provider) (*served, string, error) {
	s := &served{}
	var attach []string
	for name, factory := range factories {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, "", errors.Join(fmt.Errorf("serve provider %s: %w", name, err), s.close())
		}
		s.listeners = append(s.listeners, l)
		attach = append(attach, fmt.Sprintf("%s:%d", name, l.Addr().(*net.TCPAddr).Port))
		go s.accept(l, factory)
	}
	slices.Sort(attach)
	return s, strings.Join(attach, ","), nil
}

// accept makes a provider for every connection: the CLI opens one for each provider resource, and each is configured
// on its own.
func (s *served) accept(l net.Listener, factory func() plugin.Provider) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed
		}
		provider := factory()
		server := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage))
		pulumirpc.RegisterResourceProviderServer(server, attachable{plugin.NewProviderServer(partial{provider})})
		s.mu.Lock()
		s.servers, s.running = append(s.servers, server), append(s.running, provider)
		s.mu.Unlock()
		one := &oneConn{conn: make(chan net.Conn, 1), addr: l.Addr(), closed: make(chan struct{})}
		one.conn <- conn
		go func() { _ = server.Serve(one) }()
	}
}

// attachable lets the CLI attach: it tells the engine's address, which a provider of this process does not need.
type attachable struct {
	pulumirpc.ResourceProviderServer
}

func (attachable) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (s *served) close() error {
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, server := range s.servers {
		server.Stop()
	}
	for _, p := range s.running {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// oneConn is a listener that has one connection to give.
type oneConn struct {
	conn   chan net.Conn
	addr   net.Addr
	once   sync.Once
	closed chan struct{}
}

func (o *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-o.conn:
		return c, nil
	case <-o.closed:
		return nil, net.ErrClosed
	}
}

func (o *oneConn) Addr() net.Addr { return o.addr }

func (o *oneConn) Close() error {
	o.once.Do(func() { close(o.closed) })
	return nil
}
