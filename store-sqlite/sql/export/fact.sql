SELECT
    json_object(
        'change_seq', change_seq, 'kind', kind, 'id', hex(id), 'tenant', hex(tenant),
        'version', version, 'due_at', due_at, 'body', body, 'keys', keys
    ) AS row,
    json_array(change_seq) AS place
FROM fact
WHERE change_seq > coalesce(?1 ->> 0, 0)
ORDER BY change_seq
LIMIT ?2
