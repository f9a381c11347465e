-- A reported event is one record in one segment, and each record of an event is known as such.
WITH
either (id, segment, key, known, recorded) AS (
    SELECT id, segment, key, 1, 0 FROM event
    UNION ALL
    SELECT event, segment, key, 0, 1 FROM record WHERE event IS NOT NULL
),
matched (id, known, recorded) AS (
    SELECT id, max(known), max(recorded) FROM either GROUP BY id, segment, key
)
SELECT 'rec_' || lower(hex(id)) AS id,
    CASE
        WHEN NOT recorded THEN 'the event is known, its record is not there'
        WHEN NOT known THEN 'the record is there, its event is not known'
        WHEN count(*) OVER (PARTITION BY id) > 1 THEN 'it is counted more than once'
    END AS problem
FROM matched
