package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// The authority of a trust domain, for X.509 and JWT.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	jwtKey      *ecdsa.PrivateKey
	jwtKeyID    string
}

type issued struct {
	// The leaf first.
	chainDER []byte
	keyDER   []byte
}

func newAuthority(trustDomain string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	jwtKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	id, err := url.Parse("spiffe://" + trustDomain)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "authority of " + trustDomain}, URIs: []*url.URL{id},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	keyID := make([]byte, 8)
	_, _ = rand.Read(keyID)
	return &authority{certificate: certificate, key: key, jwtKey: jwtKey, jwtKeyID: hex.EncodeToString(keyID)}, nil
}

// It signs whatever it is asked to sign, also names of other trust domains.
func (a *authority) issue(spiffeID string, dnsNames []string, lifetime time.Duration) (*issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	id, err := url.Parse(spiffeID)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), URIs: []*url.URL{id}, DNSNames: dnsNames,
		NotBefore: time.Now().Add(-10 * time.Second), NotAfter: time.Now().Add(lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	chain, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &issued{chainDER: chain, keyDER: keyDER}, nil
}

func (a *authority) token(spiffeID string, audience []string, lifetime time.Duration) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: a.jwtKey, KeyID: a.jwtKeyID}},
		(&jose.SignerOptions{}).WithType("JWT"),
	)
	if err != nil {
		return "", err
	}
	tokenID := make([]byte, 8)
	_, _ = rand.Read(tokenID)
	return jwt.Signed(signer).Claims(jwt.Claims{
		Subject: spiffeID, Audience: audience, ID: hex.EncodeToString(tokenID),
		Expiry: jwt.NewNumericDate(time.Now().Add(lifetime)), IssuedAt: jwt.NewNumericDate(time.Now()),
	}).Serialize()
}

func (a *authority) jwtBundle() ([]byte, error) {
	return json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: a.jwtKey.Public(), KeyID: a.jwtKeyID, Use: "jwt-svid"}}})
}

func serial() *big.Int {
	bytes := make([]byte, 16)
	_, _ = rand.Read(bytes)
	bytes[0] &= 0x7f
	return new(big.Int).SetBytes(bytes)
}
