SELECT kind, id, tenant, version, due_at, keys, body, change_seq
FROM fact WHERE kind = $1 AND id = $2
