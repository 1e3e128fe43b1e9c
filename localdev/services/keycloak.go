package services

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"plattr.dev/plattr/localdev/javaserver"
	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/state"
)

// Keycloak's administrators: a user for people, a client for plattr, which need not hash a password at every login.
const (
	KeycloakAdmin  = "admin"
	KeycloakClient = "plattr"
)

// KeycloakDatabase is Keycloak's database in the local PostgreSQL, and its role.
const KeycloakDatabase = "plattr_keycloak"

// SettingDatabasePort is the setting of Keycloak that says where the local PostgreSQL listens.
const SettingDatabasePort = "database-port"

// javaStop is how long a JVM may take to end. The first time it writes the archive of its classes then.
const javaStop = time.Minute

// databaseWait is how long Keycloak's start waits for PostgreSQL, which may be recovering from a crash.
const databaseWait = 90 * time.Second

// KeycloakURL is the address that browsers use, and the beginning of every issuer. It is a name, not a number, because
// applications are at localhost too: a browser takes the two for one site then.
func KeycloakURL(s Spec) string { return "http://localhost:" + strconv.Itoa(s.Ports[ports.Keycloak]) }

func prepareKeycloak(ctx context.Context, p Place, s Spec) (Command, error) {
	port, err := strconv.Atoi(s.Settings[SettingDatabasePort])
	if err != nil {
		return Command{}, fmt.Errorf("setting %s: %w", SettingDatabasePort, err)
	}
	secrets, err := p.State.Secrets(ctx)
	if err != nil {
		return Command{}, err
	}
	pg := Spec{Ports: map[ports.Use]int{ports.PostgreSQL: port}}
	if err := makeKeycloakDatabase(ctx, pg, secrets); err != nil {
		return Command{}, fmt.Errorf("make Keycloak's database: %w", err)
	}
	process, err := javaserver.Keycloak{
		Java: javaserver.Java{Program: s.Java.Program, Archive: s.Java.Archive, HeapMB: 320},
		Home: filepath.Dir(filepath.Dir(s.Program)), Dir: p.Dir,
		Host: ports.Host, Port: s.Ports[ports.Keycloak], Hostname: KeycloakURL(s),
		Database: pg.Address(ports.PostgreSQL) + "/" + KeycloakDatabase, DatabaseUser: KeycloakDatabase,
		DatabasePassword: secrets.KeycloakDatabase,
		Admin:            KeycloakAdmin, AdminPassword: secrets.KeycloakAdmin,
		AdminClient: KeycloakClient, AdminSecret: secrets.KeycloakClient,
	}.Prepare()
	if err != nil {
		return Command{}, err
	}
	return javaCommand(p, process), nil
}

func javaCommand(p Place, how javaserver.Process) Command {
	return Command{Path: how.Path, Args: how.Args, Env: append(cleanEnv(p.Dir), how.Env...), Dir: how.Dir}
}

// makeKeycloakDatabase makes role and database if they are missing, once PostgreSQL answers.
func makeKeycloakDatabase(ctx context.Context, pg Spec, secrets state.Secrets) error {
	return MakeDatabase(ctx, AdminURL(pg, secrets.DatabaseAdmin), KeycloakDatabase, secrets.KeycloakDatabase)
}

// MakeDatabase makes a role with a password, which has only letters and digits, and its database of the same name, once the
// server of an administrator's URL answers. It waits some ninety seconds for that.
func MakeDatabase(ctx context.Context, adminURL, name, password string) error {
	ctx, cancel := context.WithTimeout(ctx, databaseWait)
	defer cancel()
	for {
		err := tryDatabase(ctx, adminURL, name, password)
		if err == nil || !comesLater(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// comesLater tells the errors of a server that is starting: it does not answer, says so (SQLSTATE 57P..), or does not have
// its administrator yet (28...).
func comesLater(err error) bool {
	var refused *pgconn.PgError
	return !errors.As(err, &refused) || strings.HasPrefix(refused.Code, "57P") || strings.HasPrefix(refused.Code, "28")
}

func tryDatabase(ctx context.Context, adminURL, database, password string) error {
	conn, err := connect(ctx, adminURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // the server sees the end either way
	name := pgx.Identifier{database}.Sanitize()
	var role, there bool
	err = conn.QueryRow(ctx, "select exists(select from pg_roles where rolname = $1), exists(select from pg_database where datname = $1)",
		database).Scan(&role, &there)
	if err != nil {
		return fmt.Errorf("look for it: %w", err)
	}
	verb := "alter"
	if !role {
		verb = "create"
	}
	// DDL takes no parameters.
	statements := []string{verb + " role " + name + " login password '" + strings.ReplaceAll(password, "'", "''") + "'"}
	if !role {
		statements = append(statements, "grant "+name+" to current_user with inherit true, set true")
	}
	if !there {
		statements = append(statements, "create database "+name+" owner "+name, "revoke all on database "+name+" from public")
	}
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("role and database %s: %w", database, err)
		}
	}
	return nil
}

// readyKeycloak asks for a realm that is always there, which comes from the database.
func readyKeycloak(ctx context.Context, _ Place, s Spec) error {
	return answers(ctx, "http://"+s.Address(ports.Keycloak)+"/realms/master")
}

// answers asks a URL and expects 200.
func answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	return expectOK(req)
}
