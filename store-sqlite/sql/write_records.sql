INSERT INTO record (
    key, segment, meter, quantity, occurred_at, recorded_at, resource, status, ending, spent,
    event, position
)
SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL
