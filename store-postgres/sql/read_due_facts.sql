SELECT kind, id, tenant, version, due_at, keys, body, change_seq
FROM fact
WHERE kind = $1 AND due_at <= $2
    AND ($3::bigint IS NULL OR (due_at, id) > ($3, $4::uuid))
ORDER BY due_at, id LIMIT $5
