package scratch

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// A dump is a zip archive: `manifest.json` (Manifest) and, for every table, `data/N.copy` with its rows as COPY writes
// them (text format, UTF-8). It holds rows and no tables: those come from the migrations, of which it names the last.
// So it needs no pg_dump, and every version of the server that runs the migrations reads it.

// dumpFormat is the version of the archive. A reader refuses a higher one.
const dumpFormat = 1

// Manifest says what is in a dump.
type Manifest struct {
	Format  int       `json:"format"`
	Created time.Time `json:"created"`
	// Server is the version of the PostgreSQL that was dumped.
	Server string `json:"server"`
	Schema string `json:"schema"`
	// Migrations are those that had run, in order.
	Migrations []Migration `json:"migrations"`
	Tables     []Table     `json:"tables"`
	Sequences  []Sequence  `json:"sequences"`
}

// Migration is one that had run. Checksum is empty where the engine keeps none.
type Migration struct {
	Name     string `json:"name"`
	Checksum string `json:"checksum,omitempty"`
}

// Head is the name of the last migration, or empty.
func (m Manifest) Head() string {
	if len(m.Migrations) == 0 {
		return ""
	}
	return m.Migrations[len(m.Migrations)-1].Name
}

// Rows is how many rows all tables have.
func (m Manifest) Rows() int64 {
	var n int64
	for _, t := range m.Tables {
		n += t.Rows
	}
	return n
}

// Table is the rows of one table.
type Table struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Rows    int64    `json:"rows"`
	// File is the member of the archive that holds them.
	File string `json:"file"`
}

// Sequence is where one stands.
type Sequence struct {
	Name   string `json:"name"`
	Last   int64  `json:"last"`
	Called bool   `json:"called"`
}

// Dump writes the rows of every table of the schema as they are at one moment. url is the application's role: it owns
// the tables. Not in a dump: large objects, foreign tables, rows of materialized views.
func Dump(ctx context.Context, url, schema string, migrations []Migration, w io.Writer) (Manifest, error) {
	conn, err := connect(ctx, url, "")
	if err != nil {
		return Manifest{}, err
	}
	defer libpq.Close(conn)
	m := Manifest{
		Format: dumpFormat, Created: time.Now().UTC(), Server: conn.PgConn().ParameterStatus("server_version"), Schema: schema,
		Migrations: append([]Migration{}, migrations...),
	}
	archive := zip.NewWriter(w)
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return m.read(ctx, tx, archive)
	})
	if err == nil {
		err = writeManifest(archive, m)
	}
	if err == nil {
		err = archive.Close()
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("dump schema %s: %w", schema, err)
	}
	return m, nil
}

// session makes values look the same whoever wrote or reads them, and makes rows that a policy hides an error.
const session = "SET LOCAL row_security = off; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'; " +
	"SET LOCAL extra_float_digits = 1; SET LOCAL client_encoding = 'UTF8'; SET LOCAL timezone = 'UTC'; SET LOCAL search_path = ''"

func (m *Manifest) read(ctx context.Context, tx pgx.Tx, archive *zip.Writer) error {
	if _, err := tx.Exec(ctx, session); err != nil {
		return err //nolint:wrapcheck // wrapped by Dump
	}
	var err error
	if m.Tables, err = tables(ctx, tx, m.Schema); err != nil {
		return err
	}
	for i := range m.Tables {
		t := &m.Tables[i]
		t.File = fmt.Sprintf("data/%d.copy", i+1)
		member, err := archive.Create(t.File)
		if err != nil {
			return err
		}
		tag, err := tx.Conn().PgConn().CopyTo(ctx, member, "COPY "+t.target(m.Schema)+" TO STDOUT")
		if err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
		t.Rows = tag.RowsAffected()
	}
	// After the rows: a sequence may be ahead of them, never behind.
	m.Sequences, err = sequences(ctx, tx, m.Schema)
	return err
}

// target is the table with its columns, as COPY wants them.
func (t Table) target(schema string) string {
	names := ""
	for i, c := range t.Columns {
		if i > 0 {
			names += ", "
		}
		names += quote(c)
	}
	if names == "" {
		return quote(schema, t.Name) // a table without columns has rows too
	}
	return quote(schema, t.Name) + " (" + names + ")"
}

// tables lists the schema's tables that hold rows, with the columns that can be written.
func tables(ctx context.Context, tx pgx.Tx, schema string) ([]Table, error) {
	rows, err := tx.Query(ctx, `
		SELECT c.relname::text, coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attname IS NOT NULL), '{}')
		FROM pg_class c
		LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind = 'r'
			AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
		GROUP BY c.oid, c.relname ORDER BY c.relname`, schema)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Table, error) {
		var t Table
		return t, row.Scan(&t.Name, &t.Columns)
	})
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	return all, nil
}

func sequences(ctx context.Context, tx pgx.Tx, schema string) ([]Sequence, error) {
	names, err := column(ctx, tx, `SELECT relname::text FROM pg_class
		WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relkind = 'S' ORDER BY 1`, schema)
	if err != nil {
		return nil, fmt.Errorf("list the sequences: %w", err)
	}
	all := []Sequence{}
	for _, name := range names {
		s := Sequence{Name: name}
		if err := tx.QueryRow(ctx, "SELECT last_value, is_called FROM "+quote(schema, name)).Scan(&s.Last, &s.Called); err != nil {
			return nil, fmt.Errorf("sequence %s: %w", name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func writeManifest(archive *zip.Writer, m Manifest) error {
	member, err := archive.Create("manifest.json")
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(member)
	encoder.SetIndent("", "  ")
	return encoder.Encode(m) //nolint:wrapcheck // wrapped by Dump
}

// ReadManifest reads what is in a dump.
func ReadManifest(r io.ReaderAt, size int64) (Manifest, error) {
	_, m, err := openDump(r, size)
	return m, err
}

func openDump(r io.ReaderAt, size int64) (*zip.Reader, Manifest, error) {
	var m Manifest
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, m, fmt.Errorf("read the dump: it is no archive of plattr db dump, or not whole (%w)", err)
	}
	file, err := archive.Open("manifest.json")
	if err != nil {
		return nil, m, fmt.Errorf("read the dump: it has no manifest.json: %w", err)
	}
	defer func() { _ = file.Close() }()
	if err := json.NewDecoder(io.LimitReader(file, 64<<20)).Decode(&m); err != nil {
		return nil, m, fmt.Errorf("read the dump's manifest.json: %w", err)
	}
	if m.Format < 1 || m.Format > dumpFormat {
		return nil, m, fmt.Errorf("the dump has format %d, this plattr reads up to %d", m.Format, dumpFormat)
	}
	return archive, m, nil
}

// MismatchError is a dump that does not fit the database's tables.
type MismatchError struct{ Reason string }

// Error says what differs.
func (e *MismatchError) Error() string { return "the dump does not fit: " + e.Reason }

// fits compares the migrations of a dump and of a database.
func fits(dump, database []Migration) error {
	for i, m := range dump {
		if i >= len(database) {
			return &MismatchError{Reason: fmt.Sprintf("it was made after migration %s, which has not run here", m.Name)}
		}
		if database[i].Name != m.Name {
			return &MismatchError{Reason: fmt.Sprintf("it was made after migration %s, here %s ran in its place", m.Name, database[i].Name)}
		}
		if m.Checksum != "" && database[i].Checksum != "" && m.Checksum != database[i].Checksum {
			return &MismatchError{Reason: fmt.Sprintf("migration %s was another file when it was made", m.Name)}
		}
	}
	if len(database) > len(dump) {
		return &MismatchError{Reason: fmt.Sprintf("it was made before migration %s, which has run here", database[len(dump)].Name)}
	}
	return nil
}

// missing returns the elements of want that have lacks.
func missing(want, have []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(w string) bool { return slices.Contains(have, w) })
}
