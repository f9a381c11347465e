INSERT INTO fact (change_seq, kind, id, tenant, version, due_at, body, keys)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
