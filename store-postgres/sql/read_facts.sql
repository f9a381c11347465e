SELECT kind, id, tenant, version, due_at, keys, body, change_seq
FROM fact WHERE kind = $1 AND tenant = $2 AND ($3::uuid IS NULL OR id > $3)
ORDER BY id LIMIT $4
