package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoTimes says that an engine does not record when a migration ran.
var ErrNoTimes = errors.New("the migration tool does not record when migrations ran")

// book is where an engine records what ran when.
type book struct{ table, name, time, where string }

func bookOf(e Engine) (book, error) {
	switch e {
	case Raw, Goose:
		return book{"migration", "name", "applied_at", "applied_at IS NOT NULL"}, nil
	case Knex:
		return book{"knex_migrations", "name", "migration_time", "true"}, nil
	case Prisma:
		return book{"_prisma_migrations", "migration_name", "finished_at", "finished_at IS NOT NULL AND rolled_back_at IS NULL"}, nil
	default:
		return book{}, ErrNoTimes
	}
}

// Since names the migrations that ran at a time or after it, oldest first. They are looked for in both schemas; url is of
// anybody who may read there.
func Since(ctx context.Context, engine Engine, url, schema, migrationsSchema string, t time.Time) ([]string, error) {
	b, err := bookOf(engine)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("read which migrations ran: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was read from only
	for _, s := range []string{migrationsSchema, schema} {
		table := pgx.Identifier{s, b.table}.Sanitize()
		var there bool
		if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", table).Scan(&there); err != nil {
			return nil, fmt.Errorf("read which migrations ran: %w", err)
		}
		if !there {
			continue
		}
		rows, err := conn.Query(ctx, "SELECT "+pgx.Identifier{b.name}.Sanitize()+"::text FROM "+table+" WHERE "+b.where+
			" AND "+pgx.Identifier{b.time}.Sanitize()+" >= $1 ORDER BY "+pgx.Identifier{b.time}.Sanitize()+", 1", t)
		if err != nil {
			return nil, fmt.Errorf("read which migrations ran: %w", err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, fmt.Errorf("read which migrations ran: %w", err)
		}
		return found, nil
	}
	return nil, nil
}
