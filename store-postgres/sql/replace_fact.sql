UPDATE fact SET change_seq = $1, version = $5, due_at = $6, body = $7, keys = $8
WHERE kind = $2 AND id = $3 AND tenant = $4 AND version = $9
