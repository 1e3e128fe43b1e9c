package secret_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/pkg/v3/secrets/passphrase"

	"plattr.dev/plattr/internal/engine/secret"
)

func TestKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "key")
	const text = "planted"
	m, err := secret.FromFile(path).New()
	if err != nil {
		t.Fatal(err)
	}
	cipher, err := m.Encrypter().EncryptValue(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{path, path + ".derived"} {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", f, info, err)
		}
	}

	start := time.Now()
	again, err := secret.FromFile(path).OfType("passphrase", m.State())
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 50*time.Millisecond {
		t.Errorf("the kept key was not used: %v", d)
	}
	if got, err := again.Decrypter().DecryptValue(t.Context(), cipher); err != nil || got != text {
		t.Errorf("decrypted %q, %v", got, err)
	}

	phrase, err := secret.FromFile(path).Passphrase()
	if err != nil {
		t.Fatal(err)
	}
	stock, err := passphrase.GetPassphraseSecretsManager(phrase, secret.Salt(m))
	if err != nil {
		t.Fatalf("Pulumi's own manager: %v", err)
	}
	if got, err := stock.Decrypter().DecryptValue(t.Context(), cipher); err != nil || got != text {
		t.Errorf("Pulumi's own manager decrypted %q, %v", got, err)
	}
}

func TestKeptKeysAreChecked(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]string{
		"Torn": `{"for":`, "Foreign": `{"for":"x","keys":{}}`, "Short": `{"for":"","keys":{"v1:a:b":"AAAA"}}`, "Empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "key")
			m, err := secret.FromFile(path).New()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path+".derived", []byte(kept), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := secret.FromFile(path).OfType("passphrase", m.State()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWrongPassphrase(t *testing.T) {
	t.Parallel()
	m, err := secret.New(func() (string, error) { return "right", nil }).New()
	if err != nil {
		t.Fatal(err)
	}
	wrong := secret.New(func() (string, error) { return "wrong", nil })
	if _, err := wrong.OfType("passphrase", m.State()); !errors.Is(err, secret.ErrPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err := wrong.OfType("cloud", m.State()); err == nil {
		t.Error("secrets of another type were opened")
	}
	for _, state := range []string{"", "v1", "v1:x", "v2:a:b", "v1:%%:c"} {
		if _, err := wrong.FromState(state); err == nil {
			t.Errorf("state %q was opened", state)
		}
	}
}

func TestOneKeyForAll(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	phrases := make([]string, 8)
	var wg sync.WaitGroup
	for i := range phrases {
		wg.Go(func() {
			var err error
			if phrases[i], err = secret.FromFile(path).Passphrase(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, p := range phrases {
		if p == "" || p != phrases[0] {
			t.Fatalf("processes that make the key file at once got different keys")
		}
	}
}
