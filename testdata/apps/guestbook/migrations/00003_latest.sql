-- +goose Up
-- security_invoker: without it the view would show hidden entries to everybody.
CREATE VIEW latest WITH (security_invoker = true) AS
    SELECT id, name, message, created_at FROM entry ORDER BY id DESC LIMIT 10;

-- +goose Down
DROP VIEW latest;
