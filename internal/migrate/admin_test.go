package migrate_test

import "testing"

func adminURL(t *testing.T) string {
	return "postgres://postgres@127.0.0.1:55990/postgres?sslmode=disable"
}
