// Package libpq turns a connection URL into what programs of libpq (psql, pg_dump) take, so that no password comes into
// an argument list, and into what people may see.
package libpq

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Environment returns the variables that make libpq connect to where a URL leads.
func Environment(databaseURL string) ([]string, error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err)
	}
	env := []string{
		"PGHOST=" + config.Host, "PGPORT=" + strconv.Itoa(int(config.Port)), "PGUSER=" + config.User,
		"PGPASSWORD=" + config.Password, "PGDATABASE=" + config.Database,
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, errors.New("read the database's URL: it is not one") // the error would quote the URL
	}
	for name, variable := range map[string]string{"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "options": "PGOPTIONS", "hostaddr": "PGHOSTADDR"} {
		if value := u.Query().Get(name); value != "" {
			env = append(env, variable+"="+value)
		}
	}
	slices.Sort(env)
	return env, nil
}

// Mask returns the URL with its password replaced by three dots.
func Mask(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return "(not a URL)"
	}
	masked := *u
	masked.User = nil
	text := masked.String()
	if u.User == nil {
		return text
	}
	who := url.User(u.User.Username()).String()
	if _, has := u.User.Password(); has {
		who += ":…"
	}
	return u.Scheme + "://" + who + "@" + text[len(u.Scheme)+len("://"):]
}

// InDatabase returns the URL with another database.
func InDatabase(databaseURL, database string) (string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return "", errors.New("read the database's URL: it is not one")
	}
	u.Path, u.RawPath = "/"+database, ""
	return u.String(), nil
}
