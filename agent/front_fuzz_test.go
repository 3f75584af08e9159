package agent

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net/http"
	"testing"
)

// FuzzUnpack: a certificate is taken from another copy only with its voucher and whole, and is handed on as it came.
func FuzzUnpack(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	h := &hop{shown: &certificates{}}
	h.shown.shown.Store(&[]tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}})
	voucher := h.vouchers()[0]
	whole := base64.StdEncoding.EncodeToString(der)
	for _, caller := range []string{whole, whole + "\r\n", whole[:len(whole)-8], base64.StdEncoding.EncodeToString(append(der, 0)), "", "====", "AAAA"} {
		f.Add(caller, voucher, true)
	}
	f.Add(whole, voucher[1:], true)
	f.Add(whole, "", true)
	f.Add(whole, voucher, false)
	f.Fuzz(func(t *testing.T, caller, vouch string, secure bool) {
		req := &http.Request{Header: http.Header{callerHeader: {caller}, vouchHeader: {vouch}, hopHeader: {"a-copy"}}}
		if secure {
			req.TLS = &tls.ConnectionState{ServerName: "b"}
		}
		came := req.TLS
		h.unpack(req)
		if len(req.Header) != 1 || req.Header.Get(hopHeader) == "" {
			t.Errorf("left is %v", req.Header)
		}
		if came != nil && (came.PeerCertificates != nil || came.VerifiedChains != nil) {
			t.Error("the state of the connection was written")
		}
		if req.TLS == came {
			if caller == whole && vouch == voucher && secure {
				t.Error("not taken")
			}
			return
		}
		certificate := req.TLS.PeerCertificates[0]
		if sent, err := base64.StdEncoding.DecodeString(caller); err != nil || vouch != voucher || !secure || !bytes.Equal(certificate.Raw, sent) {
			t.Fatalf("taken: %q vouched for by %q", caller, vouch)
		}
		on := &http.Request{Header: http.Header{}, TLS: &tls.ConnectionState{}}
		h.pack(on, req.TLS)
		if h.unpack(on); len(on.TLS.PeerCertificates) != 1 || !on.TLS.PeerCertificates[0].Equal(certificate) || req.TLS.ServerName != "b" {
			t.Error("handed on it is another one")
		}
	})
}
