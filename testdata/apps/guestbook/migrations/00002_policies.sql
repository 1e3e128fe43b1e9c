-- +goose Up
-- The REST API's roles obey these policies; the application's own role owns the table and does not.
ALTER TABLE entry ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON entry FOR SELECT USING (NOT hidden);
CREATE POLICY sign ON entry FOR INSERT WITH CHECK (NOT hidden AND picture IS NULL);

-- +goose Down
DROP POLICY sign ON entry;
DROP POLICY visible ON entry;
ALTER TABLE entry DISABLE ROW LEVEL SECURITY;
