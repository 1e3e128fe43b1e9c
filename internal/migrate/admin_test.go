package migrate_test

import (
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

// adminURL is the superuser's: the fixtures only need a database and a role, whoever makes them.
func adminURL(t *testing.T) string {
	t.Helper()
	return testutil.Postgres(t).SuperURL("postgres")
}
