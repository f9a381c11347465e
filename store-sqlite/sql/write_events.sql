INSERT INTO event (id, segment, key, digest, source, name)
SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL
