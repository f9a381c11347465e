-- What is asked for comes first, and the index leads on from it; so in all that follow.
WITH asked (id) AS (VALUES {rows})
SELECT asked.id, segment.tenant, NULL AS digest
FROM asked
CROSS JOIN record ON record.key = asked.id
JOIN segment ON segment.number = record.segment
WHERE record.event IS NULL
