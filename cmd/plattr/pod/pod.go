// Package pod is the hidden commands that plattr's own image runs in an application's pods.
package pod

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/internal/pod"
	"plattr.dev/plattr/localdev/services"
)

// New returns the `pod` command with those below it. What it is given comes from components/workload and
// components/migration.
func New(s *cli.Session, getenv func(string) string) *cobra.Command {
	group := cli.Group("pod", "What plattr does in an application's pods", "  plattr pod install /plattr")
	group.Hidden = true
	group.AddCommand(installCommand(), keysCommand(s, getenv), migrateCommand(s, getenv), databaseCommand(getenv))
	return group
}

func installCommand() *cobra.Command {
	return &cobra.Command{
		Hidden: true, Use: "install DIR", Short: "Copy this program into a folder", Example: "  plattr pod install /plattr",
		Args: cli.Args(1, 1, "one DIR"),
		RunE: func(_ *cobra.Command, args []string) error { return pod.Install(args[0]) },
	}
}

const (
	// keysEvery is how often a realm is asked for its keys: a rotation is known within it, with the old key still valid.
	keysEvery = time.Minute
	// keysFirst is how long the start of PostgREST waits for a realm.
	keysFirst = 30 * time.Second
)

func keysCommand(s *cli.Session, getenv func(string) string) *cobra.Command {
	k := &pod.Keys{Every: keysEvery, FirstWait: keysFirst}
	var once bool
	cmd := &cobra.Command{
		Hidden: true, Use: "keys", Short: "Keep the keys of a realm in a file for PostgREST",
		Long:    "Keep the keys of a realm in a file for PostgREST, whose login is in PGRST_DB_URI.",
		Example: "  plattr pod keys --url https://auth.example.com/realms/shop/protocol/openid-connect/certs --file /keys/jwks.json --channel pgrst_shop",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k.Log = slog.New(slog.NewTextHandler(s.Err, nil))
			if k.DatabaseURL = getenv("PGRST_DB_URI"); k.DatabaseURL == "" {
				return cli.Usagef("PGRST_DB_URI is not set")
			}
			if once {
				return k.First(cmd.Context())
			}
			return k.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&k.URL, "url", "", "where the realm publishes its keys")
	cmd.Flags().StringVar(&k.File, "file", "", "where PostgREST reads them")
	cmd.Flags().StringVar(&k.Channel, "channel", "", "the channel that PostgREST listens to")
	cmd.Flags().BoolVar(&once, "once", false, "make the file, and end")
	return cmd
}

// errNoDatabase says that the pod has no settings of a database.
var errNoDatabase = errors.New("DATABASE_URL and DATABASE_SCHEMA are not set")

func migrateCommand(s *cli.Session, getenv func(string) string) *cobra.Command {
	var engine string
	var o migrate.Options
	cmd := &cobra.Command{
		Hidden: true, Use: "migrate", Short: "Apply the migrations of the image in the working directory",
		Long:    "Apply the migrations of the image in the working directory to the database of DATABASE_URL.",
		Example: "  plattr pod migrate --engine goose --path ./migrations --migrations-schema shop_migrations",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.URL, o.Schema, o.Root, o.Env = getenv("DATABASE_URL"), getenv("DATABASE_SCHEMA"), ".", os.Environ()
			if o.URL == "" || o.Schema == "" {
				return errNoDatabase
			}
			o.Stdout, o.Stderr = s.Out, s.Err
			o.Progress = func(message string) { fmt.Fprintln(s.Err, message) }
			runner, err := migrate.New(migrate.Engine(engine), o)
			if err != nil {
				return err
			}
			result, err := runner.Up(cmd.Context())
			for _, m := range result.Applied {
				fmt.Fprintf(s.Err, "applied %s\n", m.Name)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&engine, "engine", "", "the migration engine")
	cmd.Flags().StringVar(&o.Path, "path", "", "the folder of the migrations")
	cmd.Flags().StringVar(&o.MigrationsSchema, "migrations-schema", "", "the schema of the record of what ran")
	return cmd
}

func databaseCommand(getenv func(string) string) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Hidden: true, Use: "database", Short: "Make a role and its database where they are missing",
		Long:    "Make a role and its database where they are missing, on the server of PLATTR_ADMIN_URL, with PLATTR_ROLE_PASSWORD.",
		Example: "  plattr pod database --name plattr_keycloak",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			url, password := getenv("PLATTR_ADMIN_URL"), getenv("PLATTR_ROLE_PASSWORD")
			if url == "" || password == "" || name == "" {
				return cli.Usagef("PLATTR_ADMIN_URL, PLATTR_ROLE_PASSWORD and --name are needed")
			}
			return services.MakeDatabase(cmd.Context(), url, name, password)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "of the role and of the database")
	return cmd
}
