package overlay

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// SecretMin is the least length of a domain's secret, in bytes.
const SecretMin = 32

// Pair is a WireGuard key pair, each key in base64 as WireGuard writes it.
type Pair struct {
	Private ngsild.Secret
	Public  string
}

// KeyOf derives a component's pair. The standard library's HKDF and X25519 do
// the work; nothing of it is made here.
func KeyOf(secret []byte, service, component ngsild.EntityID) (Pair, error) {
	seed, err := hkdf.Key(sha256.New, secret, nil, fmt.Sprintf("hlo-agent overlay v1\x00%s\x00%s", service, component), 32)
	if err != nil {
		return Pair{}, fmt.Errorf("derive the key of %s: %w", component, err)
	}
	seed[0] &= 248 // as wg genkey does, so that tools show the key as it is used
	seed[31] = seed[31]&127 | 64
	key, err := ecdh.X25519().NewPrivateKey(seed)
	if err != nil {
		return Pair{}, fmt.Errorf("derive the key of %s: %w", component, err)
	}
	return Pair{
		Private: ngsild.Secret(base64.StdEncoding.EncodeToString(seed)),
		Public:  base64.StdEncoding.EncodeToString(key.PublicKey().Bytes()),
	}, nil
}
