INSERT INTO fact (change_seq, kind, id, tenant, version, due_at, body, keys)
SELECT coalesce(max(change_seq), 0) + 1, ?, ?, ?, ?, ?, ?, ? FROM fact WHERE true
ON CONFLICT (kind, id) DO NOTHING
