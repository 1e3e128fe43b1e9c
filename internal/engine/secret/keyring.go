// Package secret opens the secrets of stacks: Pulumi's type "passphrase", so that the stock CLI can read every state
// with the same passphrase. The passphrase is a random key in a file that only its owner can read; the key that Pulumi
// derives from it costs more than a whole run that changes nothing, and is kept beside it.
package secret

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/pulumi/pulumi/pkg/v3/secrets"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"golang.org/x/crypto/pbkdf2"

	"plattr.dev/plattr/internal/engine/folder"
)

// ErrPassphrase is returned when a state was encrypted with another passphrase.
var ErrPassphrase = errors.New("incorrect passphrase")

const (
	kind = "passphrase"
	// check is the text whose encryption in a state proves the passphrase; iterations and the layout of a state are
	// those of pkg/v3/secrets/passphrase and config.NewSymmetricCrypterFromPassphrase.
	check      = "pulumi"
	iterations = 1_000_000
	saltBytes  = 8
)

// Keyring opens states with one passphrase. It is safe for concurrent use.
type Keyring struct {
	passphrase func() (string, error)
	file       string // where derived keys are kept, empty: nowhere

	mu      sync.Mutex
	derived map[string][]byte // by state
	loaded  bool
}

// New returns a keyring that asks for its passphrase, at most once per state, and keeps nothing on disk.
func New(passphrase func() (string, error)) *Keyring {
	return &Keyring{passphrase: passphrase, derived: map[string][]byte{}}
}

// FromFile returns a keyring whose passphrase is the content of a file. When first needed and absent, the file is made
// with a random key and mode 0600. Derived keys are kept beside it.
func FromFile(path string) *Keyring {
	k := New(func() (string, error) { return passphraseFile(path) })
	k.file = path + ".derived"
	return k
}

// Passphrase returns the passphrase, for the stock CLI's PULUMI_CONFIG_PASSPHRASE_FILE or -_PASSPHRASE.
func (k *Keyring) Passphrase() (string, error) { return k.passphrase() }

// New returns a manager for a stack that has none. Stacks of one keyring share their salt, so that the key is derived
// once.
func (k *Keyring) New() (secrets.Manager, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	phrase, err := k.open()
	if err != nil {
		return nil, err
	}
	for state, key := range k.derived {
		if verify(state, key) == nil {
			return manager(state, key)
		}
	}
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return nil, fmt.Errorf("make salt: %w", err)
	}
	key := derive(phrase, salt)
	text, err := config.NewSymmetricCrypter(key).EncryptValue(context.Background(), check)
	if err != nil {
		return nil, fmt.Errorf("make secrets manager: %w", err)
	}
	state := "v1:" + base64.StdEncoding.EncodeToString(salt) + ":" + text
	if err := k.keep(phrase, state, key); err != nil {
		return nil, err
	}
	return manager(state, key)
}

// OfType opens the manager that a state names. It makes Keyring a secrets.Provider.
func (k *Keyring) OfType(typ string, raw json.RawMessage) (secrets.Manager, error) {
	if typ != kind {
		return nil, fmt.Errorf("secrets of type %q are not supported, only %q", typ, kind)
	}
	var s struct {
		Salt string `json:"salt"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("read secrets manager: %w", err)
	}
	return k.FromState(s.Salt)
}

// FromState opens the manager of a state (v1:SALT:CHECK), as it stands in checkpoints and in encryptionsalt.
func (k *Keyring) FromState(state string) (secrets.Manager, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	phrase, err := k.open()
	if err != nil {
		return nil, err
	}
	if key, ok := k.derived[state]; ok && verify(state, key) == nil {
		return manager(state, key)
	}
	parts := strings.SplitN(state, ":", 3)
	if len(parts) != 3 || parts[0] != "v1" {
		return nil, errors.New("read secrets manager: not a state of version 1")
	}
	salt, err := base64.StdEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("read secrets manager: %w", err)
	}
	key := derive(phrase, salt)
	if err := verify(state, key); err != nil {
		return nil, err
	}
	if err := k.keep(phrase, state, key); err != nil {
		return nil, err
	}
	return manager(state, key)
}

// open gets the passphrase and, the first time, the kept keys that were derived from it.
func (k *Keyring) open() (string, error) {
	phrase, err := k.passphrase()
	if err != nil {
		return "", fmt.Errorf("get passphrase: %w", err)
	}
	if k.loaded || k.file == "" {
		return phrase, nil
	}
	k.loaded = true
	raw, err := os.ReadFile(k.file)
	if err != nil {
		return phrase, nil // absent or unreadable: derived again
	}
	var kept keptKeys
	if json.Unmarshal(raw, &kept) != nil || kept.For != fingerprint(phrase) {
		return phrase, nil // torn, or of an earlier key: derived again
	}
	for state, key := range kept.Keys {
		if len(key) == config.SymmetricCrypterKeyBytes {
			k.derived[state] = key
		}
	}
	return phrase, nil
}

// keptKeys is the file of derived keys. The fingerprint says to which key file they belong; that one is random, so
// that the fingerprint gives nothing away.
type keptKeys struct {
	For  string            `json:"for"`
	Keys map[string][]byte `json:"keys"`
}

func (k *Keyring) keep(phrase, state string, key []byte) error {
	k.derived[state] = key
	if k.file == "" {
		return nil
	}
	raw, err := json.Marshal(keptKeys{For: fingerprint(phrase), Keys: k.derived})
	if err != nil {
		return fmt.Errorf("keep derived key: %w", err)
	}
	if err := replace(k.file, raw); err != nil {
		return fmt.Errorf("keep derived key: %w", err)
	}
	return nil
}

func fingerprint(phrase string) string {
	sum := sha256.Sum256([]byte("plattr key file\x00" + phrase))
	return hex.EncodeToString(sum[:])
}

func derive(phrase string, salt []byte) []byte {
	return pbkdf2.Key([]byte(phrase), salt, iterations, config.SymmetricCrypterKeyBytes, sha256.New)
}

func verify(state string, key []byte) error {
	parts := strings.SplitN(state, ":", 3)
	if len(parts) != 3 {
		return ErrPassphrase
	}
	text, err := config.NewSymmetricCrypter(key).DecryptValue(context.Background(), parts[2])
	if err != nil || text != check {
		return ErrPassphrase
	}
	return nil
}

// passphraseFile reads the key file, or makes it.
func passphraseFile(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = makeKeyFile(path)
	}
	if err != nil {
		return "", fmt.Errorf("key file: %w", err)
	}
	phrase := strings.TrimSpace(string(raw)) // as the stock CLI reads PULUMI_CONFIG_PASSPHRASE_FILE
	if phrase == "" {
		return "", fmt.Errorf("key file %s is empty", path)
	}
	return phrase, nil
}

// makeKeyFile writes a random key. Of two processes that do so at once, one wins and both read its key.
func makeKeyFile(path string) ([]byte, error) {
	random := make([]byte, config.SymmetricCrypterKeyBytes)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("make random key: %w", err)
	}
	if err := folder.Make(filepath.Dir(path)); err != nil {
		return nil, err
	}
	tmp, err := temp(path, []byte(base64.RawURLEncoding.EncodeToString(random)+"\n"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(tmp) }()
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}

func replace(path string, raw []byte) error {
	tmp, err := temp(path, raw)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// temp writes a file beside path, mode 0600, and returns its name.
func temp(path string, raw []byte) (string, error) {
	prefix := "." + filepath.Base(path) + ".tmp"
	sweep(filepath.Dir(path), prefix)
	f, err := os.CreateTemp(filepath.Dir(path), fmt.Sprintf("%s%d-*", prefix, os.Getpid()))
	if err != nil {
		return "", err
	}
	_, err = f.Write(raw)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// sweep removes what processes that are dead by now were writing. What cannot be removed is in nobody's way.
func sweep(dir, prefix string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), prefix)
		owner, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(owner)
		if ours && err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
