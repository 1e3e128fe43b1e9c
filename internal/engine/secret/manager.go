package secret

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi/pkg/v3/resource/stack"
	"github.com/pulumi/pulumi/pkg/v3/secrets"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
)

// passphraseManager is a secrets.Manager made from a derived key; Pulumi's own one always derives it again.
type passphraseManager struct {
	state   json.RawMessage
	crypter config.Crypter
}

func manager(state string, key []byte) (secrets.Manager, error) {
	raw, err := json.Marshal(map[string]string{"salt": state})
	if err != nil {
		return nil, fmt.Errorf("make secrets manager: %w", err)
	}
	m := &passphraseManager{state: raw, crypter: config.NewSymmetricCrypter(key)}
	// Remembers the text that a secret was read from, so that an unchanged secret stays the same text in the state.
	return stack.NewBatchingCachingSecretsManager(m), nil
}

func (m *passphraseManager) Type() string                { return kind }
func (m *passphraseManager) State() json.RawMessage      { return m.state }
func (m *passphraseManager) Encrypter() config.Encrypter { return m.crypter }
func (m *passphraseManager) Decrypter() config.Decrypter { return m.crypter }

// Salt returns the state of a passphrase manager in the form of encryptionsalt.
func Salt(m secrets.Manager) string {
	var s struct {
		Salt string `json:"salt"`
	}
	_ = json.Unmarshal(m.State(), &s) // another manager's state has no salt
	return s.Salt
}
