INSERT INTO intent (id, tenant, operation, due_at, attempts, state, fence)
VALUES ($1, $2, $3, $4, $5, 'open', 0)
ON CONFLICT DO NOTHING
