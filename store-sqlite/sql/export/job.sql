SELECT
    json_object(
        'tenant', hex(tenant), 'name', name, 'fence', fence, 'state', state,
        'started_at', started_at, 'ended_at', ended_at, 'done', done, 'failed', failed,
        'lease_lapses_at', lease_lapses_at
    ) AS row,
    json_array(hex(tenant), name) AS place
FROM job
WHERE (tenant, name) > (coalesce(unhex(?1 ->> 0), x''), coalesce(?1 ->> 1, ''))
ORDER BY tenant, name
LIMIT ?2
