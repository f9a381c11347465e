-- The batches of a sum follow each other from 0 on, without a gap and without an overlap.
WITH piece AS (
    SELECT *, lag(to_total, 1, 0) OVER (
        PARTITION BY segment, origin, meter ORDER BY from_total, to_total
    ) AS reached
    FROM batch
)
SELECT 'bat_' || lower(hex(piece.id)) AS id,
    CASE
        WHEN sum.total IS NULL THEN 'its sum is not there'
        WHEN piece.from_total <> piece.reached
            THEN format('it begins at %d, those before end at %d', from_total, reached)
    END AS problem
FROM piece
LEFT JOIN sum ON sum.segment = piece.segment AND sum.origin = piece.origin
    AND sum.meter = piece.meter
