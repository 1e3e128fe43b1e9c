package postgresql

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"golang.org/x/text/secure/precis"
)

// Sizes of PostgreSQL's own verifiers. Source: src/include/common/scram-common.h.
const (
	scramIterations = 4096
	scramSaltBytes  = 16
)

// scramVerifier is what PostgreSQL stores of a password (RFC 5803). Sending it instead of the password keeps the
// password out of the server's logs, which hold statements that failed.
func scramVerifier(password string) (string, error) {
	salt := make([]byte, scramSaltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	return scramWithSalt(password, salt)
}

func scramWithSalt(password string, salt []byte) (string, error) {
	// Clients normalise a password before they prove it; one that cannot be normalised is used as it is.
	// Source: RFC 5802, and PostgreSQL's pg_saslprep.
	if normal, err := precis.OpaqueString.String(password); err == nil {
		password = normal
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramIterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive a key: %w", err)
	}
	client := sign(salted, "Client Key")
	stored := sha256.Sum256(client)
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s",
		scramIterations, encode(salt), encode(stored[:]), encode(sign(salted, "Server Key"))), nil
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
