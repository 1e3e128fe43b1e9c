package testutil

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// pem and keyPEM are the same as text.
	pem, keyPEM []byte
}

// certify makes the files of the API server, which etcd and the controllers use too, and the administrator.
func (k *KubernetesServer) certify() error {
	var err error
	if k.ca, err = newAuthority("kubernetes-ca"); err != nil {
		return err
	}
	front, err := newAuthority("front-proxy-ca") // another one, or every user could claim to be the aggregator
	if err != nil {
		return err
	}
	accountsKey, accounts, err := newKey()
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&accountsKey.PublicKey)
	if err != nil {
		return err
	}
	server, serverKey, err := k.ca.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "kube-apiserver"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
	})
	if err != nil {
		return err
	}
	proxy, proxyKey, err := front.client("front-proxy-client")
	if err != nil {
		return err
	}
	content, err := k.kubeconfig("admin", "system:masters")
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{
		"ca.crt": k.ca.pem, "ca.key": k.ca.keyPEM, "front.crt": front.pem, "accounts.key": accounts,
		"accounts.pub": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		"server.crt":   server, "server.key": serverKey, "proxy.crt": proxy, "proxy.key": proxyKey,
		"admin.kubeconfig": []byte(content),
	} {
		if err := os.WriteFile(k.file(name), text, 0o600); err != nil {
			return err
		}
	}
	k.Admin = k.as(k.file("admin.kubeconfig"), content)
	k.admin, err = k.ca.httpClient("admin", "system:masters")
	return err
}

func newAuthority(name string) (authority, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return authority{}, err
	}
	a := authority{key: key, keyPEM: keyPEM, cert: &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}}
	if a.pem, err = a.certificate(a.cert, &key.PublicKey); err != nil {
		return authority{}, err
	}
	block, _ := pem.Decode(a.pem)
	a.cert, err = x509.ParseCertificate(block.Bytes)
	return a, err
}

// client signs a certificate that its holder is a user in groups.
func (a authority) client(user string, groups ...string) (cert, key []byte, err error) {
	return a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: user, Organization: groups}})
}

// sign makes a key and the certificate for it; both sides of a connection accept it.
func (a authority) sign(what *x509.Certificate) (cert, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	what.KeyUsage = x509.KeyUsageDigitalSignature
	what.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	cert, err = a.certificate(what, &key.PublicKey)
	return cert, keyPEM, err
}

func (a authority) certificate(what *x509.Certificate, key *ecdsa.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	what.SerialNumber = serial
	what.NotBefore, what.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(7*24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, what, a.cert, key, a.key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}

// httpClient is a client for servers with certificates of this authority, as a user.
func (a authority) httpClient(user string, groups ...string) (*http.Client, error) {
	cert, key, err := a.client(user, groups...)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
	}}}, nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}
