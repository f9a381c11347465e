SELECT kind, id, tenant, version, due_at, keys, body, change_seq
FROM fact WHERE kind = $1 AND ($2::uuid IS NULL OR id > $2)
ORDER BY id LIMIT $3
