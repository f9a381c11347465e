SELECT kind, id, tenant, version, due_at, keys, body, change_seq
FROM fact WHERE change_seq > $1
ORDER BY change_seq LIMIT $2
