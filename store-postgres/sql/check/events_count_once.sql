-- A reported event is one record in one segment, and each record of an event is known as such.
WITH
either (tenant, id, segment, key, known, recorded) AS (
    SELECT tenant, id, segment, key, 1, 0 FROM event
    UNION ALL
    SELECT tenant, event, segment, key, 0, 1 FROM record WHERE event IS NOT NULL
),
matched (tenant, id, known, recorded) AS (
    SELECT tenant, id, max(known), max(recorded) FROM either GROUP BY tenant, id, segment, key
)
SELECT shown('rec', id) AS id,
    CASE
        WHEN recorded = 0 THEN 'the event is known, its record is not there'
        WHEN known = 0 THEN 'the record is there, its event is not known'
        WHEN count(*) OVER (PARTITION BY tenant, id) > 1 THEN 'it is counted more than once'
    END AS problem
FROM matched
