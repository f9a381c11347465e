-- A reported event is one record in one segment, and each record of an event is known as such.
WITH evidence (id, segment, key) AS (
    SELECT DISTINCT event, segment, key FROM record WHERE event IS NOT NULL
)
SELECT 'rec_' || lower(hex(coalesce(event.id, evidence.id))) AS id,
    CASE
        WHEN evidence.id IS NULL THEN 'the event is known, its record is not there'
        WHEN event.id IS NULL THEN 'the record is there, its event is not known'
        WHEN count(*) OVER (PARTITION BY coalesce(event.id, evidence.id)) > 1
            THEN 'it is counted more than once'
    END AS problem
FROM event
FULL JOIN evidence ON evidence.id = event.id AND evidence.segment = event.segment
    AND evidence.key = event.key
