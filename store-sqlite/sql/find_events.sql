WITH asked (id) AS (VALUES {rows})
SELECT asked.id, segment.tenant, event.digest
FROM asked
CROSS JOIN event ON event.id = asked.id
JOIN segment ON segment.number = event.segment
