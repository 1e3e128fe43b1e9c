package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"plattr.dev/plattr/internal/kubeapi"
)

// Tunnel is an address on this machine that leads to a service in the cluster, through the API server.
type Tunnel struct {
	// Addr is its host and port, on loopback.
	Addr string

	client   *Client
	to       endpoint
	listener net.Listener
	cancel   context.CancelFunc
	open     sync.WaitGroup

	mu   sync.Mutex
	pod  string
	link httpstream.Connection
	next int
	err  error
}

// endpoint is a port of a service.
type endpoint struct {
	namespace, service string
	port               int
}

func (e endpoint) String() string {
	return fmt.Sprintf("Service %s/%s, port %d", e.namespace, e.service, e.port)
}

// Forward opens a tunnel to a port of a service, and to a pod behind it at once, so that what is wrong is said here. When
// that pod goes, the next connection leads to another. The context bounds the opening; the tunnel ends when it is closed, so
// that a Ctrl-C which is for a program behind it leaves it open.
func (c *Client) Forward(ctx context.Context, namespace, service string, port int) (*Tunnel, error) {
	t := &Tunnel{client: c, to: endpoint{namespace, service, port}}
	if _, err := t.connection(ctx); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		t.drop()
		return nil, fmt.Errorf("listen for connections to %s: %w", t.to, err)
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t.listener, t.Addr, t.cancel = listener, listener.Addr().String(), cancel
	t.open.Go(func() { t.accept(life) })
	return t, nil
}

// Close ends the tunnel and its connections.
func (t *Tunnel) Close() error {
	t.cancel()
	_ = t.listener.Close()
	t.drop()
	t.open.Wait()
	return nil
}

// Err is why the last connection failed; nil if none did.
func (t *Tunnel) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

func (t *Tunnel) accept(ctx context.Context) {
	for {
		conn, err := t.listener.Accept()
		if err != nil {
			return // closed
		}
		t.open.Go(func() {
			defer conn.Close()
			if err := t.serve(ctx, conn); err != nil && ctx.Err() == nil {
				t.mu.Lock()
				t.err = err
				t.mu.Unlock()
			}
		})
	}
}

// serve carries one connection. A link that turns out to be dead is made anew once.
func (t *Tunnel) serve(ctx context.Context, conn net.Conn) error {
	var err error
	for range 2 {
		var link httpstream.Connection
		if link, err = t.connection(ctx); err != nil {
			return err
		}
		var data, complaints httpstream.Stream
		if data, complaints, err = t.streams(link); err == nil {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			return carry(conn, link, data, complaints)
		}
		t.drop()
	}
	return fmt.Errorf("connect to %s: %w", t.to, err)
}

// streams are those of one connection: what is carried, and what the kubelet says when it cannot.
func (t *Tunnel) streams(link httpstream.Connection) (data, complaints httpstream.Stream, err error) {
	t.mu.Lock()
	t.next++
	id := strconv.Itoa(t.next)
	_, port, _ := strings.Cut(t.pod, ":")
	t.mu.Unlock()
	headers := http.Header{}
	headers.Set(corev1.PortHeader, port)
	headers.Set(corev1.PortForwardRequestIDHeader, id)
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	if complaints, err = link.CreateStream(headers); err != nil {
		return nil, nil, err //nolint:wrapcheck // serve says to where
	}
	_ = complaints.Close() // nothing is written to it
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	if data, err = link.CreateStream(headers); err != nil {
		link.RemoveStreams(complaints)
		return nil, nil, err //nolint:wrapcheck // serve says to where
	}
	return data, complaints, nil
}

// carry copies until the other side ends, or this one breaks.
// Source: client-go, tools/portforward, handleConnection.
func carry(conn net.Conn, link httpstream.Connection, data, complaints httpstream.Stream) error {
	defer link.RemoveStreams(data, complaints)
	said := make(chan string, 1)
	go func() {
		message, _ := io.ReadAll(complaints)
		said <- string(message)
	}()
	remote, broken := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = io.Copy(conn, data)
		close(remote)
	}()
	go func() {
		_, err := io.Copy(data, conn)
		_ = data.Close()
		if err != nil {
			close(broken)
		}
	}()
	select {
	case <-remote:
	case <-broken:
	case <-link.CloseChan():
	}
	_ = data.Reset() // else what is not sent holds up the complaints
	select {
	case message := <-said:
		if message != "" {
			return errors.New(oneLine(message))
		}
	case <-link.CloseChan():
	case <-time.After(2 * time.Second):
	}
	return nil
}

// connection is the link to a pod, a new one where there is none or it has ended.
func (t *Tunnel) connection(ctx context.Context) (httpstream.Connection, error) {
	t.mu.Lock()
	link, pod := t.link, t.pod
	t.mu.Unlock()
	if link != nil {
		select {
		case <-link.CloseChan():
		default:
			if name, _, _ := strings.Cut(pod, ":"); t.client.serves(ctx, t.to.namespace, name) {
				return link, nil
			}
		}
		t.drop()
	}
	name, port, err := t.client.behind(ctx, t.to)
	if err != nil {
		return nil, err
	}
	link, err = t.client.dial(t.to.namespace, name)
	if err != nil {
		return nil, t.client.api.Explain(kubeapi.TargetOf(kubeapi.PodKind, t.to.namespace, name), err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.link != nil { // another connection was faster
		_ = link.Close()
		return t.link, nil
	}
	t.link, t.pod = link, fmt.Sprintf("%s:%d", name, port)
	return link, nil
}

func (t *Tunnel) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.link != nil {
		_ = t.link.Close()
		t.link = nil
	}
}

// dial opens a link to a pod: by WebSocket, as proxies let it pass, else by SPDY for clusters older than 1.31.
func (c *Client) dial(namespace, pod string) (httpstream.Connection, error) {
	config := c.api.Config
	address, err := url.Parse(c.api.URL() + "/api/v1/namespaces/" + url.PathEscape(namespace) + "/pods/" + url.PathEscape(pod) + "/portforward")
	if err != nil {
		return nil, fmt.Errorf("address of pod %s: %w", pod, err)
	}
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, fmt.Errorf("connect to pod %s: %w", pod, err)
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, address)
	tunnelling, err := portforward.NewSPDYOverWebsocketDialer(address, config)
	if err != nil {
		return nil, fmt.Errorf("connect to pod %s: %w", pod, err)
	}
	link, _, err := portforward.NewFallbackDialer(tunnelling, dialer, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}).Dial(portforward.PortForwardProtocolV1Name)
	return link, err //nolint:wrapcheck // explained by whoever dials
}
