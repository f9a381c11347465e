-- No store that is open has handed them out.
SELECT
    json_object(
        'tenant', hex(lease.tenant), 'id', hex(lease.id), 'subscription', hex(quota.subscription),
        'quota', quota.quota, 'start_at', quota.start_at, 'end_at', quota.end_at,
        'units', lease.units, 'committed', lease.committed, 'state', lease.state, 'opening', 0
    ) AS row,
    json_array(lease.number) AS place
FROM lease
JOIN quota ON quota.number = lease.quota
WHERE lease.number > coalesce(?1 ->> 0, 0)
ORDER BY lease.number
LIMIT ?2
