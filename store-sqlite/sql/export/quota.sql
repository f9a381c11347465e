SELECT
    json_object(
        'tenant', hex(tenant), 'subscription', hex(subscription), 'quota', quota,
        'start_at', start_at, 'end_at', end_at, 'committed', committed, 'leased', leased
    ) AS row,
    json_array(number) AS place
FROM quota
WHERE number > coalesce(?1 ->> 0, 0)
ORDER BY number
LIMIT ?2
