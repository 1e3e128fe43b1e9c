INSERT INTO note (id, title, body, tags) VALUES
    (1, 'Buy paper', 'A4, recycled', '{shop}'),
    (2, 'Read the manual', 'At least the first chapter', '{work,later}')
ON CONFLICT (id) DO NOTHING;
SELECT setval(pg_get_serial_sequence('note', 'id'), (SELECT max(id) FROM note));
