package accessmap

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/smtp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/socketmap"
	"github.com/postfixkit/postfixkit/table"
)

// fingerprint is how Postfix writes a digest.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// TestCertificateKeysAreThoseOfSMTPD: a client with a certificate, and what
// the real smtpd asks a table about it.
func TestCertificateKeysAreThoseOfSMTPD(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "real.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})

	r := recorder{asked: map[string][]string{}}
	s := socketmap.Server{Tables: map[string]table.Table{"ccert": r.table("ccert", true)}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	defer s.Shutdown(context.Background())
	inst := realpostfix.Start(t, realpostfix.Config{
		Main: "smtpd_tls_security_level = may\nsmtpd_tls_ask_ccert = yes\nsmtpd_tls_fingerprint_digest = sha256\n" +
			"smtpd_tls_cert_file = @DIR@/conf/cert.pem\nsmtpd_tls_key_file = @DIR@/conf/key.pem\n" +
			"smtpd_client_restrictions = check_ccert_access socketmap:inet:" + l.Addr().String() + ":ccert\n",
		Master: "tlsmgr unix - - n 1000? 1 tlsmgr\n",
		Files:  map[string]string{"cert.pem": string(certPEM), "key.pem": string(keyPEM)},
	})
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	c, err := smtp.Dial(inst.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail("from@example.net"); err != nil {
		t.Fatal(err)
	}
	c.Rcpt("to@example.com")

	var tried []string
	m := Map{Table: matching{table.Inline()}, Trace: func(s table.Step) { tried = append(tried, s.Key) }}
	if _, found, err := m.Certificate(context.Background(), fingerprint(der), fingerprint(public)); found || err != nil {
		t.Errorf("got %v, %v", found, err)
	}
	if asked := r.take()["ccert"]; !slices.Equal(tried, asked) || len(tried) != 2 {
		t.Errorf("\n  got %q\nsmtpd %q", tried, asked)
	}
}
