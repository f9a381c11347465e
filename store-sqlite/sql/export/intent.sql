-- Whoever had claimed one is gone.
SELECT
    json_object(
        'id', hex(id), 'tenant', hex(tenant), 'operation', operation, 'due_at', due_at,
        'attempts', attempts, 'state', state, 'reason', reason, 'parked_at', parked_at,
        'fence', fence, 'claim_lapses_at', NULL
    ) AS row,
    json_array(hex(id)) AS place
FROM intent
WHERE id > coalesce(unhex(?1 ->> 0), x'')
ORDER BY id
LIMIT ?2
