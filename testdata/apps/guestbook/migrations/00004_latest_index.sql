-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY entry_visible ON entry (id DESC) WHERE NOT hidden;

-- +goose Down
DROP INDEX CONCURRENTLY entry_visible;
