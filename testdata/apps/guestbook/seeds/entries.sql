-- Runs on every `plattr db seed`: it fills an empty book only.
INSERT INTO entry (name, message, hidden)
SELECT * FROM (VALUES
    ('Ada', 'The engine weaves algebraic patterns. Lovely place, too.', false),
    ('Grace', 'Found a moth in the relay. Otherwise excellent.', false),
    ('Spammer', 'Buy now!!!', true)
) AS example (name, message, hidden)
WHERE NOT EXISTS (SELECT FROM entry);
