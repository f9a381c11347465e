SELECT id, tenant, operation, due_at, attempts, reason, parked_at FROM intent
WHERE tenant = $1 AND state = 'parked' AND ($2::uuid IS NULL OR id > $2)
ORDER BY id LIMIT $3
