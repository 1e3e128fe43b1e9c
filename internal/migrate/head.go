package migrate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
)

// Head is the last migration that ran whole, as the engine's own table has it, and how many did. It needs no files, so it
// holds where there are none; it is empty where nothing ran. The search path of the connection does not matter.
func Head(ctx context.Context, conn *pgx.Conn, engine Engine, schema, migrationsSchema string) (head string, ran int, err error) {
	book := ledger{migrationsSchema, conn}
	o := Options{Schema: schema, MigrationsSchema: migrationsSchema}
	switch t, isTool := tools()[engine]; {
	case isTool:
		names, _, err := (&toolRunner{o, t}).applied(ctx, conn)
		if err != nil || len(names) == 0 {
			return "", 0, err
		}
		return names[len(names)-1], len(names), nil
	case engine == Goose:
		return (&gooseRunner{o}).head(ctx, book)
	case engine == Raw:
		records, err := book.read(ctx)
		for _, r := range records {
			if r.AppliedAt != nil {
				head = r.Name
				ran++
			}
		}
		return head, ran, err
	}
	return "", 0, fmt.Errorf("migration engine %q: want raw, goose, knex, prisma or rails", engine)
}

// head is the highest version that goose applied, by its name where this program ran it.
func (g *gooseRunner) head(ctx context.Context, book ledger) (string, int, error) {
	versions, err := g.versions(ctx, book.conn)
	if err != nil || len(versions) == 0 {
		return "", 0, err
	}
	known, err := g.records(ctx, book, nil)
	if err != nil {
		return "", 0, err
	}
	last := slices.Max(slices.Collect(maps.Keys(versions)))
	for _, r := range known {
		if v, err := goose.NumericComponent(r.Name); err == nil && v == last {
			return r.Name, len(versions), nil
		}
	}
	return strconv.FormatInt(last, 10), len(versions), nil
}

// HasSchema tells whether a schema is there, for whoever connects.
func HasSchema(ctx context.Context, conn *pgx.Conn, schema string) (bool, error) {
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regnamespace(quote_ident($1)) IS NOT NULL", schema).Scan(&there); err != nil {
		return false, fmt.Errorf("look for schema %s: %w", schema, err)
	}
	return there, nil
}
