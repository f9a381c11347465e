-- A page of the records of segment ?2 after id ?1, at most ?3. Records of our own are found in the
-- order of their keys, which are their ids; those of events in the order of the events' ids. The
-- earliest of both make the page.
WITH page (id, key) AS (
    SELECT * FROM (
        SELECT key AS id, key FROM record
        WHERE key > ?1 AND segment = ?2 AND event IS NULL AND position = 0
        ORDER BY key LIMIT ?3
    )
    UNION ALL
    SELECT * FROM (
        SELECT id, key FROM event WHERE id > ?1 AND segment = ?2 ORDER BY id LIMIT ?3
    )
    ORDER BY 1 LIMIT ?3
)
SELECT page.id AS record_id, meter.id AS meter_id, record.quantity, record.occurred_at,
    tallied.tally, record.recorded_at, record.resource, record.status, record.ending,
    event.source, event.name, event.digest,
    (
        SELECT json_group_array(
            json_array(
                quota.quota, quota.start_at, quota.end_at,
                iif(lease.id IS NULL, NULL, hex(lease.id)), spent.value ->> 2
            )
            ORDER BY spent.key
        )
        FROM json_each(record.spent) AS spent
        JOIN quota ON quota.number = spent.value ->> 0
        LEFT JOIN lease ON lease.number = spent.value ->> 1
    ) AS spent
FROM page
JOIN record ON record.key = page.key AND record.segment = ?2
JOIN meter ON meter.number = record.meter
LEFT JOIN tallied ON tallied.key = record.key AND tallied.segment = record.segment
    AND tallied.meter = record.meter
LEFT JOIN event ON event.id = record.event AND event.segment = record.segment
ORDER BY page.id, record.position
