-- +goose Up
CREATE TABLE entry (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    message    text NOT NULL CHECK (length(message) BETWEEN 1 AND 2000),
    picture    text,
    hidden     boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN entry.picture IS 'Key in the bucket photos';

-- +goose Down
DROP TABLE entry;
