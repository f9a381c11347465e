-- A page of the records of segment $2 of tenant $1 after id $3, at most $4. Records of our own are
-- found in the order of their keys, which are their ids; those of events in the order of the
-- events' ids. The earliest of both make the page.
WITH page (id, key) AS (
    (
        SELECT key AS id, key FROM record
        WHERE tenant = $1 AND segment = $2 AND event IS NULL AND position = 0
            AND ($3::uuid IS NULL OR key > $3)
        ORDER BY key LIMIT $4
    )
    UNION ALL
    (
        SELECT id, key FROM event
        WHERE tenant = $1 AND segment = $2 AND ($3::uuid IS NULL OR id > $3)
        ORDER BY id LIMIT $4
    )
    ORDER BY 1 LIMIT $4
)
SELECT page.id AS record_id, record.meter, record.quantity, record.occurred_at, tallied.tally,
    record.recorded_at, record.resource, record.status, record.ending, record.spent,
    event.source, event.name, event.digest
FROM page
JOIN record ON record.key = page.key AND record.tenant = $1
LEFT JOIN tallied ON tallied.key = record.key AND tallied.tenant = $1
    AND tallied.position = record.position
LEFT JOIN event ON event.id = record.event AND event.tenant = $1
ORDER BY page.id, record.position
