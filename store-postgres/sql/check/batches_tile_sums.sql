-- The batches of a sum follow each other from 0 on, without a gap and without an overlap.
WITH piece AS (
    SELECT id, tenant, segment, origin, meter, from_total, lag(to_total, 1, 0::bigint) OVER (
        PARTITION BY tenant, segment, origin, meter ORDER BY from_total, to_total
    ) AS reached
    FROM batch
)
SELECT shown('bat', piece.id) AS id,
    CASE
        WHEN sum.total IS NULL THEN 'its sum is not there'
        WHEN from_total <> reached
            THEN format('it begins at %s, those before end at %s', from_total, reached)
    END AS problem
FROM piece
LEFT JOIN sum USING (tenant, segment, origin, meter)
