SELECT
    json_object(
        'key', hex(record.key), 'tenant', hex(segment.tenant), 'segment', hex(segment.id),
        'meter', hex(meter.id), 'quantity', record.quantity, 'occurred_at', record.occurred_at,
        'recorded_at', record.recorded_at, 'event', nullif(hex(record.event), ''),
        'position', record.position, 'status', record.status, 'ending', record.ending,
        'resource', record.resource,
        -- Numbers of counters and blocks become their names.
        'spent', iif(record.spent IS NULL, NULL, (
            SELECT CAST(json_group_array(
                json_array(
                    quota.quota, quota.start_at, quota.end_at, nullif(hex(lease.id), ''),
                    part.value ->> 2
                ) ORDER BY part.key
            ) AS TEXT)
            FROM json_each(record.spent) AS part
            JOIN quota ON quota.number = part.value ->> 0
            LEFT JOIN lease ON lease.number = part.value ->> 1
        ))
    ) AS row,
    json_array(hex(record.key), record.segment, record.meter) AS place
FROM record
JOIN segment ON segment.number = record.segment
JOIN meter ON meter.number = record.meter
WHERE (record.key, record.segment, record.meter) > (
    coalesce(unhex(?1 ->> 0), x''), coalesce(?1 ->> 1, 0), coalesce(?1 ->> 2, 0)
)
ORDER BY record.key, record.segment, record.meter
LIMIT ?2
