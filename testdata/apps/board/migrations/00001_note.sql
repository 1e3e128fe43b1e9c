-- +goose Up
CREATE TABLE note (
    id         text PRIMARY KEY CHECK (id ~ '^[A-Z2-7]{26}$'),
    owner      text NOT NULL DEFAULT nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub',
    title      text NOT NULL CHECK (length(title) BETWEEN 1 AND 120),
    body       text NOT NULL CHECK (length(body) BETWEEN 1 AND 4000),
    file_name  text NOT NULL DEFAULT '' CHECK (length(file_name) <= 200),
    file_type  text NOT NULL DEFAULT '' CHECK (length(file_type) <= 80),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX note_of_owner ON note (owner, created_at DESC);
COMMENT ON COLUMN note.id IS 'Made by the application: the file and the search document are named after it before the row is there';
COMMENT ON COLUMN note.owner IS 'The subject of the token that came with the request';

-- Who comes through the REST API sees and changes their own notes. The claims are read once for a statement, not per row.
ALTER TABLE note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON note
    USING (owner = (SELECT nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'))
    WITH CHECK (owner = (SELECT nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'));

-- +goose Down
DROP TABLE note;
